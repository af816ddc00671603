"""Predict the velocity of the straight way: flow matching (Lipman et al. 2023), rectified flow (Liu et al. 2023).

    x_t = (1 - tau) x_0 + tau noise,   tau = (t + 1) / T
    loss = |model(x_t, t) - (noise - x_0)|^2,   noise - x_0 = dx_t / dtau     (Liu et al. 2023, eq. 1)

Times are drawn logit-normal, more of the middle (Esser et al. 2024, section 3.1), as for Stable Diffusion 3. Good in
the middle, where it is decided what a picture shows, and simple: no schedule to choose, and the way ends in pure noise.
Bad at the ends, which these times hardly train: the finest detail, and the mean picture at pure noise. Each sample's
way is straight, but the flow, the mean of these ways, bends as it does for v: both lead along the same curves, and want
as many steps (tutorials/19_flow_matching.py).
"""

from minisd.diffusion.objectives.interface import Objective

flow = Objective(
    schedule="flow", prediction="velocity", times="logit_normal", about="the velocity of the straight way between them"
)
