"""Diffusion: noise comes in by a schedule and goes out by a sampler.

Read ``schedule.py`` (how much noise at which t) and ``prediction.py`` (what a model says of it), then
``samplers/ddpm.py`` and ``samplers/ddim.py`` (from noise to a picture) and ``spacing.py`` (which noise levels they
visit), then ``guidance.py`` (how the prompt is made to count). All is arithmetic on arrays; a model is a callable.
"""
