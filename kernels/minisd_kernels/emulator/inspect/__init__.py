"""What a kernel that the emulator runs does to memory: its races, by name, and what it asks for, counted."""
