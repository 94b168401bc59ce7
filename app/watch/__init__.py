"""Following the git changes in a workspace: file events, scans by the git program, WebSockets on one thread a process."""
