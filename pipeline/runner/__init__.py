"""How clips run: plan, pool, workers, one job, child processes, threads, costs."""
