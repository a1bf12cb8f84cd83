/* The first program of a guest that has its own, as libkrun's is: takes the streams that there are as ports, says what
 * it was told, reports a code by an ioctl of its root, and restarts. Without arguments it reports nothing. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>

#include "guest_ports.h"

/* Whether the CPU's flags have this one. */
static int has_flag(const char* flag) {
  static char text[16384];
  int file = open("/proc/cpuinfo", O_RDONLY);
  ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  return size > 0 && strstr(text, flag) != NULL;
}

static void take_streams(void) {
  static const char* const names[] = {"krun-stdin", "krun-stdout", "krun-stderr"};
  int number, port;
  mkdir("/sys", 0755);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mkdir("/dev", 0755);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  for (number = 0; number < 3; ++number)
    if ((port = open_port(names[number], number == 0 ? O_RDONLY : O_WRONLY)) >= 0) dup2(port, number);
}

static const char* const kNames[] = {"KRUN_INIT", "KRUN_WORKDIR", "KRUN_RLIMITS", "COLOUR", "SPACED"};

int main(int argc, char** argv) {
  size_t name;
  int at, root;
  mkdir("/proc", 0755);
  mount("proc", "/proc", "proc", 0, NULL);
  take_streams();
  printf("pid %d\n", (int)getpid());
  for (name = 0; name < sizeof kNames / sizeof *kNames; ++name) {
    const char* value = getenv(kNames[name]);
    if (value) printf("%s=%s\n", kNames[name], value);
  }
  if (has_flag(" svm") || has_flag(" vmx")) puts("can run VMs");
  for (at = 1; at < argc; ++at) printf("argument <%s>\n", argv[at]);
  root = open("/", O_RDONLY);
  if (argc > 1) printf("ioctl %d\n", ioctl(root, 0x7602, atoi(argv[1])) == 0 ? 0 : errno);
  fflush(stdout);
  tcdrain(STDOUT_FILENO);
  sync();
  reboot(RB_AUTOBOOT);
  return 0;
}
