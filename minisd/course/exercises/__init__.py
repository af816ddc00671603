"""The exercises, a file each: ex03_2_im2col.py is exercise 03.2. minisd/course/exercise.py says how to read one."""
