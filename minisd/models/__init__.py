"""The networks of minisd, one file each, every one with its configuration as data."""
