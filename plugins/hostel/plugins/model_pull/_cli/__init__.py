"""The commands `hostel pull` and `hostel downloads`.

Imports point down this list:

    commands        their arguments, and which file does their work
    queue_commands  `hostel downloads`: list, reorder, retry, cancel, clear
    pull_command    `hostel pull`: a runtime for the time of the command
    dry_run         `hostel pull --dry-run`: the plan of a pull, and nothing done
    detach          `hostel pull --detach`: hand the models to a runtime that serves
    remote          the queues of runtimes that serve, over HTTP
    last_rate       how fast the last pull of this user was
    offline         the queue on disk, while no process works on it
    render          bars on a terminal, lines in a pipe, JSON for a program
"""
