"""The one error of the data loaders."""


class DataError(ValueError):
    """Data that cannot be used: the message says which file, what is wrong with it and what to do."""
