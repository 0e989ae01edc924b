"""The commands `hostel pull` and `hostel downloads`.

Imports point down this list:

    commands        their arguments, and which file does their work
    queue_commands  `hostel downloads`: list, reorder, retry, cancel, clear
    pull_command    `hostel pull`: a runtime for the time of the command
    detach          `hostel pull --detach`: hand the models to a runtime that serves
    remote          the queues of runtimes that serve, over HTTP
    offline         the queue on disk, while no process works on it
    render          bars on a terminal, lines in a pipe, JSON for a program
"""
