"""Predict the picture (Ho et al. 2020, section 3.2; Salimans & Ho 2022, section 4).

    x_t = alpha x_0 + sigma noise,   alpha^2 + sigma^2 = 1
    loss = |model(x_t, t) - x_0|^2

Good near pure noise: the answer is the mean of the data there, and nothing is divided by alpha, so any schedule will
do, and one step already gives a picture, if a blurred one. Bad at fine detail: where little noise is left the picture
is x_t itself, and noise = (x_t - alpha x_0) / sigma magnifies what the network adds to it, alpha / sigma times.
"""

from minisd.diffusion.objectives.interface import Objective

x_0 = Objective(schedule="cosine", prediction="x_0", about="the picture under the noise")
