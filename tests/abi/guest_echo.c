/* The first program of a guest that hands its input on to its output, through the ports that libkrun's init uses. */
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>

#include "guest_ports.h"

int main(void) {
  static char bytes[4096];
  ssize_t size, at, sent;
  int in, out, error;
  printf("to the console\n");
  fflush(stdout);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  in = open_port("krun-stdin", O_RDONLY);
  out = open_port("krun-stdout", O_WRONLY);
  error = open_port("krun-stderr", O_WRONLY);
  dprintf(error, "to the error output\n");
  while ((size = read(in, bytes, sizeof bytes)) > 0)
    for (at = 0; at < size; at += sent)
      if ((sent = write(out, bytes + at, (size_t)(size - at))) <= 0) break;
  sync();
  reboot(RB_AUTOBOOT);
  return 0;
}
