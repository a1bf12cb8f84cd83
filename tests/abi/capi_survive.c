/* A program that outlives its VMs: one whose guest dies, one that is ended, and two that run on a thread each.
 *   capi_survive ROOT */
#include <cloche.h>
#include <pthread.h>
#include <string.h>

#include "check.h"

static const char* root;

static cloche_vm* start(const char* script) {
  const char* arguments[] = {"/bin/sh", "-c", NULL, NULL};
  cloche_config* config = cloche_config_create();
  cloche_error* error = NULL;
  cloche_vm* vm = NULL;
  arguments[2] = script;
  CHECK(cloche_config_set_arguments(config, arguments), CLOCHE_OK);
  CHECK(cloche_config_set_root(config, root, CLOCHE_WRITES_PRIVATE), CLOCHE_OK);
  CHECK(cloche_config_set_memory_mib(config, 128), CLOCHE_OK);
  if (cloche_vm_start(config, &vm, &error) != CLOCHE_OK) {
    fprintf(stderr, "%s\n", cloche_error_message(error));
    exit(1);
  }
  cloche_config_free(config);
  return vm;
}

static void a_guest_that_dies(void) {
  const cloche_outcome *outcome = NULL, *again = NULL;
  cloche_vm* vm =
      start("mkdir -p /proc; mount -t proc proc /proc 2>/dev/null; echo c > /proc/sysrq-trigger; sleep 100");
  CHECK(cloche_vm_wait(vm, -1, &outcome, NULL), CLOCHE_OK);
  CHECK(cloche_outcome_ended(outcome), CLOCHE_LOST);
  CHECK(cloche_outcome_reason(outcome), CLOCHE_REASON_GUEST_PANIC);
  CHECK(cloche_outcome_exit_code(outcome), 125);
  CHECK(strlen(cloche_outcome_text(outcome)) > 0, 1);
  CHECK(strstr(cloche_outcome_console_tail(outcome), "panic") != NULL, 1);
  CHECK(cloche_vm_wait(vm, 0, &again, NULL), CLOCHE_OK);
  CHECK(again == outcome, 1);
  cloche_vm_free(vm);
}

static void one_that_is_watched_and_ended(void) {
  const cloche_outcome* outcome = NULL;
  cloche_error* error = NULL;
  cloche_vm_status status = CLOCHE_VM_ENDED;
  cloche_vm* vm = start("sleep 1000");
  CHECK(cloche_vm_wait(vm, 10, &outcome, &error), CLOCHE_TIMEOUT);
  CHECK(cloche_error_code(error), CLOCHE_TIMEOUT);
  CHECK(outcome == NULL, 1);
  cloche_error_free(error);
  CHECK(cloche_vm_pause(vm, NULL), CLOCHE_OK);
  CHECK(cloche_vm_get_status(vm, &status, NULL), CLOCHE_OK);
  CHECK(status, CLOCHE_VM_PAUSED);
  CHECK(cloche_vm_resume(vm, NULL), CLOCHE_OK);
  CHECK(cloche_vm_get_status(vm, &status, NULL), CLOCHE_OK);
  CHECK(status, CLOCHE_VM_RUNNING);
  CHECK(cloche_vm_signal(vm, 1000, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_vm_kill(vm, &error), CLOCHE_OK);
  CHECK(error == NULL, 1);
  CHECK(cloche_vm_wait(vm, -1, &outcome, NULL), CLOCHE_OK);
  CHECK(cloche_outcome_reason(outcome), CLOCHE_REASON_STOPPED);
  CHECK(cloche_vm_get_status(vm, &status, NULL), CLOCHE_OK);
  CHECK(status, CLOCHE_VM_ENDED);
  cloche_vm_free(vm);
}

/* Its process is killed from outside. */
static void one_that_is_lost(void) {
  const cloche_outcome* outcome = NULL;
  cloche_vm* vm = start("sleep 1000");
  CHECK(cloche_vm_pause(vm, NULL), CLOCHE_OK); /* So that it has come as far as that. */
  CHECK(system("exec pkill -KILL -P $PPID -x cloche-vmm"), 0);
  CHECK(cloche_vm_wait(vm, -1, &outcome, NULL), CLOCHE_OK);
  CHECK(cloche_outcome_ended(outcome), CLOCHE_LOST);
  CHECK(cloche_outcome_reason(outcome), CLOCHE_REASON_VMM_DIED);
  CHECK(cloche_outcome_exit_code(outcome), 125);
  CHECK(cloche_vm_signal(vm, 15, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_vm_resume(vm, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_vm_kill(vm, NULL), CLOCHE_INVALID_ARGUMENT);
  cloche_vm_free(vm);
}

/* Freed while it runs. */
static void one_that_nobody_waits_for(void) { cloche_vm_free(start("sleep 1000")); }

static void* one_of_two(void* script) {
  const cloche_outcome* outcome = NULL;
  cloche_vm* vm = start((const char*)script);
  CHECK(cloche_vm_wait(vm, -1, &outcome, NULL), CLOCHE_OK);
  CHECK(cloche_outcome_ended(outcome), CLOCHE_EXITED);
  CHECK(cloche_outcome_value(outcome), atoi(strstr((const char*)script, "exit ") + 5));
  cloche_vm_free(vm);
  return NULL;
}

static void* wait_for_it(void* vm) {
  const cloche_outcome* outcome = NULL;
  CHECK(cloche_vm_wait((cloche_vm*)vm, -1, &outcome, NULL), CLOCHE_OK);
  CHECK(cloche_outcome_reason(outcome), CLOCHE_REASON_STOPPED);
  return NULL;
}

static void threads(void) {
  static char first[] = "sleep 1; exit 3", second[] = "exit 4";
  pthread_t one, other;
  cloche_vm* vm;
  CHECK(pthread_create(&one, NULL, one_of_two, first), 0);
  CHECK(pthread_create(&other, NULL, one_of_two, second), 0);
  pthread_join(one, NULL);
  pthread_join(other, NULL);
  /* Two wait for one VM, and a third ends it. */
  vm = start("sleep 1000");
  CHECK(pthread_create(&one, NULL, wait_for_it, vm), 0);
  CHECK(pthread_create(&other, NULL, wait_for_it, vm), 0);
  CHECK(cloche_vm_wait(vm, 300, NULL, NULL), CLOCHE_TIMEOUT);
  CHECK(cloche_vm_kill(vm, NULL), CLOCHE_OK);
  pthread_join(one, NULL);
  pthread_join(other, NULL);
  cloche_vm_free(vm);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  root = argv[1];
  a_guest_that_dies();
  one_that_is_watched_and_ended();
  one_that_is_lost();
  one_that_nobody_waits_for();
  threads();
  printf("survived\n");
  return 0;
}
