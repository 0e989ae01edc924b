"""The commands that start tasks and talk with them, asked over HTTP as those of `_cli/` are.

verbs          the commands and their options
run            `hostel run`: a command as a task, as if it ran here
start          `hostel start` and `hostel kinds`
logs           `hostel logs`
answer         `hostel answer`
tell           `hostel send`, `hostel wait`, `hostel inbox`
following      the output of one task, followed to its end
printing       output on a terminal or in a pipe
terminal_text  text that a terminal may be sent
form           a question, answered field by field
"""
