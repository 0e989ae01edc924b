"""The program that a command runs under: its parent, which outlives the host.

It is started by its path, in a session of its own, and needs the standard library only, so that it starts in
some 40 ms and stays small. The host sees it through a socket; what must survive both is in two files. The
modules that the host imports as well (`processes`, `files`) say so.

main       where it starts: makes the others importable without hostel
keep       the loop: output, signals, hosts, time
ending     which signal comes next, and when (pure)
command    starting the command: session, pipes or terminal, exec
pipes      what the command writes goes to the spool, what it is sent to its stdin
links      the hosts that are connected, one JSON object per line
files      what it leaves in the task's folder: where it is, and how the command ended (the host reads them)
processes  who lives: the system's table of processes, start times, boots (the host uses it, too)
"""
