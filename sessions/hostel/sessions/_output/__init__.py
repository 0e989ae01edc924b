"""The output of tasks: kept in memory and in files, read by offset. Imports point down this list.

of_tasks      those of a host's tasks: written, read, followed, forgotten with them
outputs       all outputs of a host: opening, reading, removing, and the one service that writes files
task_output   one task's output: what it adds, and who waits for more
spooling      how output gets into files: gathered, then written in a worker thread
joining       one read out of files and memory
memory        the head and the rolling tail that stay in memory
value         what a reader gets, made of bytes
"""
