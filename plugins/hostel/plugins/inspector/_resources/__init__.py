"""What one asks of tasks beyond looking at them and stopping them: one method for each resource of the API.

ended          what has ended, the latest first
starting       kinds of tasks, and starting one
talking        output, answers, messages
telling        inboxes, and waiting for several tasks
neighbours     the other runtimes of this user
forwarding     the answer of one of them, passed on
asking         a connection to one that has proved itself
watching       what looks wrong, and how much there is
metrics        counts in the text form of Prometheus
output_stream  the output of a task to one reader
finding        the task that a request means, and answers
"""
