// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pty COMMAND [ARGUMENT...]: an interactive shell on a pseudo-terminal, typed at
 * by a script. The shell's prompt is @@ready@@: then it takes keys. Each line of
 * standard input is typed (\t is a tab, \e escape), then Control-X Control-R,
 * which the shell answers with @@what is on its line@@; that is printed, and the
 * line is cleared. An answer that doesn't come within 20 s ends it with 1.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char seen[65536];
static size_t n_seen;

/* Wait for the prompt, or for another @@text@@, and drop what came up to its end. */
static int answer(int master, bool ready, char *text, size_t size)
{
	for (;;) {
		struct pollfd p = { .fd = master, .events = POLLIN };
		char *start, *end = NULL;
		ssize_t n;

		start = strstr(seen, "@@");
		if (start)
			end = strstr(start + 2, "@@");
		if (end) {
			snprintf(text, size, "%.*s", (int)(end - start - 2), start + 2);
			n_seen -= (size_t)(end + 2 - seen);
			memmove(seen, end + 2, n_seen + 1);
			/* The prompt is drawn again whenever the line is. */
			if (ready == !strcmp(text, "ready"))
				return 0;
			continue;
		}
		if (n_seen == sizeof(seen) - 1 || poll(&p, 1, 20000) <= 0)
			return -1;
		n = read(master, seen + n_seen, sizeof(seen) - 1 - n_seen);
		if (n <= 0)
			return -1;
		/* A terminal gets no zero bytes from us, and the search ends at one. */
		n_seen += (size_t)n;
		seen[n_seen] = '\0';
	}
}

static void type(int master, const char *keys)
{
	for (; *keys; keys++) {
		char c = *keys;

		if (c == '\\' && keys[1] == 't') {
			c = '\t';
			keys++;
		} else if (c == '\\' && keys[1] == 'e') {
			c = '\033';
			keys++;
		}
		if (write(master, &c, 1) != 1)
			exit(1);
	}
}

int main(int argc, char **argv)
{
	struct winsize size = { .ws_row = 50, .ws_col = 500 };
	char line[1024], text[4096];
	int master, code = 0;
	pid_t pid;

	if (argc < 2)
		return 2;
	pid = forkpty(&master, NULL, NULL, &size);
	if (pid < 0)
		return 1;
	if (pid == 0) {
		setenv("TERM", "dumb", 1);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (answer(master, true, text, sizeof(text)) < 0) {
		fprintf(stderr, "pty: the shell isn't ready: %s\n", seen);
		code = 1;
	}
	while (!code && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		type(master, line);
		type(master, "\x18\x12");
		if (answer(master, false, text, sizeof(text)) < 0) {
			fprintf(stderr, "pty: no answer to '%s': %s\n", line, seen);
			code = 1;
			break;
		}
		puts(text);
		fflush(stdout);
		/* Beginning of the line, kill to its end. */
		type(master, "\x01\x0b");
	}
	type(master, "\x04");
	close(master);
	waitpid(pid, NULL, 0);
	return code;
}
