"""Training: one loop for every network, one file for what each network learns, and the run that does them all."""
