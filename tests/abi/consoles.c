/* A guest with a terminal, streams and a serial line besides its command's:  consoles ROOT PROGRAM
 *
 * We are at their other ends, in a process of our own. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <libkrun.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

struct ends {
  int out, in;
};

static struct ends make_pipe(void) {
  int both[2];
  struct ends ends;
  if (pipe2(both, O_CLOEXEC) != 0) exit(2);
  ends.out = both[0];
  ends.in = both[1];
  return ends;
}

static struct ends to_data, from_data, to_default, from_default, error_default, to_serial, from_serial, to_second,
    from_second;
static int master, slave;

static void run(char** argv) {
  const char* const environment[] = {NULL};
  const char* const arguments[] = {NULL};
  uint32_t id = (uint32_t)krun_create_ctx();
  uint32_t console;
  close(to_default.in); /* Only the other process may keep it from ending. */
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_WARN), 0);
  CHECK(krun_set_root(id, argv[1]), 0);
  CHECK(krun_set_vm_config(id, 1, 256), 0);
  CHECK(krun_set_exec(id, argv[2], arguments, environment), 0);
  CHECK(krun_disable_implicit_vsock(id), 0);
  console = (uint32_t)krun_add_virtio_console_multiport(id);
  CHECK(console, 0);
  CHECK(krun_add_console_port_tty(id, console, "shell", slave), 0);
  CHECK(krun_add_console_port_inout(id, console, "data", to_data.out, from_data.in), 0);
  /* The first default console is the command's streams; the second is a device. */
  CHECK(krun_add_virtio_console_default(id, -1, 1, 2), 0);
  CHECK(krun_add_virtio_console_default(id, to_default.out, from_default.in, error_default.in), 0);
  CHECK(krun_add_serial_console_default(id, to_serial.out, from_serial.in), 0);
  CHECK(krun_add_serial_console_default(id, to_second.out, from_second.in), 0);
  CHECK(krun_add_serial_console_default(id, -1, -1), -EINVAL); /* Two are the most. */
  /* What there cannot be. */
  CHECK(krun_add_console_port_tty(id, console, "pipe", to_data.out), -ENOTTY);
  CHECK(krun_add_console_port_tty(id, console, "none", -1), -EINVAL);
  CHECK(krun_add_console_port_tty(id, 1, "default", slave), -EINVAL);
  CHECK(krun_add_console_port_inout(id, 9, "nowhere", -1, -1), -EINVAL);
  CHECK(krun_add_console_port_inout(id, console, "bad", -2, -1), -EINVAL);
  CHECK(krun_add_console_port_inout(id + 1, console, "bad", -1, -1), -ENOENT);
  CHECK(krun_add_serial_console_default(id, -2, -1), -EINVAL);
  CHECK(krun_add_virtio_console_default(id, -1, -2, -1), -EINVAL);
  CHECK(krun_add_virtio_console_multiport(id + 1), -ENOENT);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter(id));
  exit(1);
}

static void set_size(unsigned short rows, unsigned short columns) {
  struct winsize size = {rows, columns, 0, 0};
  ioctl(master, TIOCSWINSZ, &size);
}

/* Shows what comes up to a line's end. */
static void show(const char* name, int file) {
  char each;
  printf("%s: ", name);
  while (read(file, &each, 1) == 1 && each != '\n')
    if (each != '\r') putchar(each);
  putchar('\n');
  fflush(stdout);
}

static void say(int file, const char* text) {
  if (write(file, text, strlen(text)) != (ssize_t)strlen(text)) exit(2);
}

int main(int argc, char** argv) {
  int status;
  pid_t child;
  if (argc != 3 || openpty(&master, &slave, NULL, NULL, NULL) != 0) return 2;
  set_size(40, 132);
  to_data = make_pipe();
  from_data = make_pipe();
  to_default = make_pipe();
  from_default = make_pipe();
  error_default = make_pipe();
  to_serial = make_pipe();
  from_serial = make_pipe();
  to_second = make_pipe();
  from_second = make_pipe();
  child = fork();
  if (child == 0) run(argv);
  close(to_data.out);
  show("terminal", master);
  set_size(50, 100);
  kill(child, SIGWINCH);
  show("terminal", master);
  say(master, "typed\n");
  show("terminal", master);
  say(to_data.in, "some bytes\n");
  show("data", from_data.out);
  say(to_default.in, "more bytes\n");
  close(to_default.in);
  show("default", from_default.out);
  show("default", from_default.out);
  show("default", error_default.out);
  say(to_serial.in, "a line that is longer than the sixteen bytes of the FIFO\n");
  show("serial", from_serial.out);
  say(to_second.in, "the other line\n");
  show("second", from_second.out);
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}
