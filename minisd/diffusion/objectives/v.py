"""Predict v, picture and noise mixed so that both can be read from it at every t (Salimans & Ho 2022, section 4).

    x_t = alpha x_0 + sigma noise,   alpha^2 + sigma^2 = 1
    loss = |model(x_t, t) - v|^2,    v = alpha noise - sigma x_0

With alpha = cos phi and sigma = sin phi, v is the speed at which x_t turns from the picture to the noise: dx_t / dphi.
Good everywhere: x_0 = alpha x_t - sigma v and noise = sigma x_t + alpha v magnify no error, the target's variance is 1
at every t, and the schedule may end in pure noise. As an error in x_0 it is weighed by SNR + 1. Bad in nothing of its
own; but all times count alike, the easy ends as much as the middle, where it is decided what a picture shows.
"""

from minisd.diffusion.objectives.interface import Objective

v = Objective(schedule="cosine", prediction="v", about="both mixed, which turns one into the other")
