/* A C program that survives its VMs: it starts one per script given on its command line, all at once, and says how each
 * has ended.
 *   survive SCRIPT... */
#include <cloche.h>
#include <stdio.h>

enum { MOST = 8 };

static int complain(cloche_error* error) {
  fprintf(stderr, "%s\n", cloche_error_message(error));
  cloche_error_free(error);
  return 1;
}

/* A VM that runs `script` in a shell; NULL, and an error, where it cannot be started. */
static cloche_vm* start(const char* script, cloche_error** error) {
  const char* arguments[] = {"sh", "-c", script, NULL};
  cloche_config* config = cloche_config_create();
  cloche_vm* vm = NULL;
  cloche_config_set_arguments(config, arguments);
  cloche_config_set_memory_mib(config, 128);
  cloche_config_set_timeout_ms(config, 60000);
  cloche_vm_start(config, &vm, error);
  cloche_config_free(config);
  return vm;
}

static int tell(const char* script, cloche_vm* vm) {
  const cloche_outcome* outcome;
  cloche_error* error;
  if (cloche_vm_wait(vm, -1, &outcome, &error) != CLOCHE_OK) return complain(error);
  const char* text = cloche_outcome_text(outcome);
  printf("'%s' ended with %d%s%s\n", script, cloche_outcome_exit_code(outcome), *text ? ": " : "", text);
  return 0;
}

int main(int argc, char** argv) {
  cloche_vm* vms[MOST];
  cloche_error* error = NULL;
  int count, failed = 0;
  for (count = 0; count + 1 < argc && count < MOST && !failed; ++count)
    if ((vms[count] = start(argv[count + 1], &error)) == NULL) failed = complain(error);
  for (int i = 0; i < count; ++i) {
    if (vms[i] != NULL && !failed) failed = tell(argv[i + 1], vms[i]);
    cloche_vm_free(vms[i]); /* Ends it, where it still runs. */
  }
  return failed;
}
