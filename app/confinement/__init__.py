"""What the kernel still does for a process that reads what strangers wrote: Landlock for files, seccomp for system calls.

`landlock`, `system_calls` and `environment` import nothing of `app`, as the processes that use them have little of it.
`privileges`, by which a process gives up its rights, imports the first two; `availability` the settings and the errors.
Read docs/adr/0012-confinement.md, then `landlock`.
"""
