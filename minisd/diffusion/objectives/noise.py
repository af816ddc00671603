"""Predict the noise (Ho et al. 2020, eq. 14), on the schedule of Stable Diffusion 1.x (Rombach et al. 2022).

    x_t = alpha x_0 + sigma noise,   alpha^2 + sigma^2 = 1
    loss = |model(x_t, t) - noise|^2

Good at fine detail: as an error in x_0 it is weighed by SNR = (alpha / sigma)^2, which is largest where little noise is
left. Bad near pure noise: there the noise is x_t itself, which is learned at once, and x_0 = (x_t - sigma noise) /
alpha magnifies what error remains by sigma / alpha, 15 at the last t of this schedule. So it wants a schedule that
keeps a trace of signal, and errs most in the first steps of a drawing, which decide what the picture shows.
"""

from minisd.diffusion.objectives.interface import Objective

noise = Objective(schedule="scaled_linear", prediction="noise", about="the noise in it")
