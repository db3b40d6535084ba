"""Running clips: plan, worker pool, job, child processes, threads, costs."""
