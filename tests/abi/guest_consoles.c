/* A program of the guest that talks on each of its consoles, as consoles.c has them. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "guest_ports.h"

static int opened(const char* path, int flags) {
  int file = open(path, flags);
  if (file < 0) {
    perror(path);
    exit(1);
  }
  return file;
}

/* A terminal that hands every byte on as it is. */
static int terminal(const char* path) {
  struct termios settings;
  int file = opened(path, O_RDWR | O_NOCTTY);
  tcgetattr(file, &settings);
  cfmakeraw(&settings);
  tcsetattr(file, TCSANOW, &settings);
  return file;
}

/* Reads to a line's end, or to the end. */
static const char* line_of(int file) {
  static char line[4096];
  size_t size = 0;
  while (size < sizeof line - 1 && read(file, &line[size], 1) == 1 && line[size] != '\n') ++size;
  line[size] = '\0';
  return line;
}

/* Once it is another one than it was. */
static void tell_size(int tty) {
  static int columns;
  struct winsize size;
  int turns;
  for (turns = 0; turns < 3000; ++turns) {
    ioctl(tty, TIOCGWINSZ, &size);
    if (size.ws_col != columns) break;
    usleep(10000);
  }
  columns = size.ws_col;
  dprintf(tty, "size %dx%d\n", size.ws_row, size.ws_col);
}

int main(void) {
  int tty = terminal("/dev/hvc0"), serial = terminal("/dev/ttyS0"), second = terminal("/dev/ttyS1");
  int data = open_port("data", O_RDWR), in = open_port("krun-stdin", O_RDONLY);
  int out = open_port("krun-stdout", O_WRONLY), error = open_port("krun-stderr", O_WRONLY);
  if (data < 0 || in < 0 || out < 0 || error < 0) return 2;
  tell_size(tty);
  tell_size(tty);
  dprintf(tty, "terminal: %s\n", line_of(tty));
  dprintf(data, "data: %s\n", line_of(data));
  dprintf(out, "out: %s\n", line_of(in));
  dprintf(out, "then its end: %s\n", line_of(in));
  dprintf(error, "error\n");
  dprintf(serial, "serial: %s\n", line_of(serial));
  dprintf(second, "second: %s\n", line_of(second));
  tcdrain(serial);
  tcdrain(second);
  tcdrain(tty);
  return 7;
}
