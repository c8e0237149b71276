"""How work is cut, run and kept: job, points, plan, store, tasks, run."""
