"""Training: one step and one drive for every network, a file for what each of them learns, and the run of all."""
