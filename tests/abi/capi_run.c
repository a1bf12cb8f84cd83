/* Runs a command in a directory in a VM, reads its output through a pipe, and outlives it:
 *   capi_run ROOT PROGRAM ARGUMENT... */
#include <cloche.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"

static int fail(cloche_error* error) {
  fprintf(stderr, "code %d: %s\n", (int)cloche_error_code(error), cloche_error_message(error));
  cloche_error_free(error);
  return 1;
}

int main(int argc, char** argv) {
  const char* const environment[] = {"PATH=/bin", "TEST=works", NULL};
  cloche_config* config = cloche_config_create();
  cloche_vm* vm = NULL;
  cloche_error* error = NULL;
  const cloche_outcome* outcome = NULL;
  char bytes[4096];
  ssize_t size;
  int ends[2];
  if (argc < 3 || config == NULL || pipe(ends) != 0) return 2;
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  cloche_config_set_root(config, argv[1], CLOCHE_WRITES_PRIVATE);
  cloche_config_set_arguments(config, (const char* const*)&argv[2]);
  cloche_config_set_environment(config, environment);
  cloche_config_set_memory_mib(config, 256);
  cloche_config_set_streams(config, 0, ends[1], 2);
  if (cloche_vm_start(config, &vm, &error) != CLOCHE_OK) return fail(error);
  cloche_config_free(config);
  close(ends[1]); /* So that the VM's end is the pipe's. */
  while ((size = read(ends[0], bytes, sizeof bytes)) > 0) fwrite(bytes, 1, (size_t)size, stdout);
  if (cloche_vm_wait(vm, -1, &outcome, &error) != CLOCHE_OK) return fail(error);
  printf("ended %d value %d reason %d code %d\n", (int)cloche_outcome_ended(outcome), cloche_outcome_value(outcome),
         (int)cloche_outcome_reason(outcome), cloche_outcome_exit_code(outcome));
  fprintf(stderr, "%s", cloche_outcome_text(outcome));
  cloche_vm_free(vm);
  return 0;
}
