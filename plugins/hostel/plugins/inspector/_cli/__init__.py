"""The commands: what runs in every runtime of this user, asked over HTTP.

commands   the commands and their options
options    what several of them take
serve      `hostel serve`: a runtime as a process
history    `hostel history`: what a journal has kept
show       `hostel show`: one task, its timeline, its children
ps         `hostel ps`: all tasks in one table
control    `hostel cancel` and `hostel transfer`
watch      `hostel watch`: every runtime followed
live_view  what it shows: lines in a pipe, a table on a terminal
task_view  the latest record of each task, from events in any order
stream     the event stream of one runtime, followed
client     one runtime, asked
table      tasks as lines of a terminal
fitting    texts cut to cells, columns fitted to a screen
rows       what a list has in each row
format     tasks, durations and sizes as text
"""
