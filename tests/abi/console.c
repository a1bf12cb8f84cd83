/* A VM whose streams are descriptors of ours, and that stands still for a moment:  console ROOT */
#include <fcntl.h>
#include <libkrun.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static uint32_t id;

static void* pause_it(void* unused) {
  struct timespec moment = {1, 0};
  (void)unused;
  /* It takes a while until there is a VM. */
  while (krun_vm_pause(id) != 0) nanosleep(&moment, NULL);
  nanosleep(&moment, NULL);
  CHECK(krun_vm_resume(id), 0);
  fprintf(stderr, "paused and resumed\n");
  return NULL;
}

int main(int argc, char** argv) {
  const char* const arguments[] = {"-c", "cat; echo to standard error >&2; sleep 5; exit 9", NULL};
  const char* const environment[] = {"PATH=/bin", NULL};
  pthread_t thread;
  int ends[2];
  if (argc != 2 || pipe(ends) != 0) return 2;
  if (write(ends[1], "through a pipe\n", 15) != 15) return 2;
  close(ends[1]);
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  id = (uint32_t)krun_create_ctx();
  CHECK(krun_set_root(id, argv[1]), 0);
  CHECK(krun_disable_implicit_console(id), 0);
  CHECK(krun_add_virtio_console_default(id, ends[0], 1, 2), 0);
  CHECK(krun_add_virtio_console_default(id, -2, 1, 2), -EINVAL);
  CHECK(krun_set_exec(id, "/bin/sh", arguments, environment), 0);
  CHECK(pthread_create(&thread, NULL, pause_it, NULL), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter(id));
  return 1;
}
