/* A sandbox and commands in it:  capi_sandbox ROOT HOME */
#include <cloche.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

/* What a command has written. */
typedef struct text {
  char output[4096], error[4096];
  size_t output_size, error_size;
} text;

static void take(void* context, bool is_error, const void* bytes, size_t size) {
  text* to = (text*)context;
  char* place = is_error ? to->error : to->output;
  size_t* used = is_error ? &to->error_size : &to->output_size;
  if (size > sizeof to->output - 1 - *used) size = sizeof to->output - 1 - *used;
  memcpy(place + *used, bytes, size);
  *used += size;
}

/* `error` by address: it is read when the call has returned. */
static void check(cloche_code code, cloche_error** error) {
  if (code != CLOCHE_OK) {
    fprintf(stderr, "code %d: %s\n", (int)code, cloche_error_message(*error));
    exit(1);
  }
}

static cloche_command* shell(const char* script, text* to) {
  const char* arguments[] = {"/bin/sh", "-c", NULL, NULL};
  cloche_command* command = cloche_command_create();
  arguments[2] = script;
  CHECK(cloche_command_set_arguments(command, arguments), CLOCHE_OK);
  CHECK(cloche_command_set_streams(command, -1, -1, -1), CLOCHE_OK);
  CHECK(cloche_command_set_output(command, take, to), CLOCHE_OK);
  return command;
}

static void its_output_and_code(cloche_sandbox* sandbox) {
  const char* const environment[] = {"NAME=mine", NULL};
  static text all;
  const cloche_outcome *outcome = NULL, *again = NULL;
  cloche_error* error = NULL;
  cloche_exec* exec = NULL;
  cloche_command* command = shell("echo $NAME; pwd; id -u; echo wrong >&2; exit 5", &all);
  CHECK(cloche_command_set_environment(command, environment), CLOCHE_OK);
  CHECK(cloche_command_set_working_directory(command, "/tmp"), CLOCHE_OK);
  CHECK(cloche_command_set_user(command, 1000, 1000), CLOCHE_OK);
  check(cloche_exec_start(sandbox, command, &exec, &error), &error);
  cloche_command_free(command);
  check(cloche_exec_wait(exec, -1, &outcome, &error), &error);
  CHECK(cloche_outcome_ended(outcome), CLOCHE_EXITED);
  CHECK(cloche_outcome_value(outcome), 5);
  CHECK(strcmp(all.output, "mine\n/tmp\n1000\n"), 0);
  CHECK(strcmp(all.error, "wrong\n"), 0);
  CHECK(cloche_exec_wait(exec, 0, &again, NULL), CLOCHE_OK);
  CHECK(again == outcome, 1);
  cloche_exec_free(exec);
}

static void one_that_does_not_end(cloche_sandbox* sandbox) {
  static text all;
  const cloche_outcome* outcome = NULL;
  cloche_error* error = NULL;
  cloche_exec* exec = NULL;
  cloche_command* command = shell("echo begun; exec sleep 1000", &all);
  check(cloche_exec_start(sandbox, command, &exec, &error), &error);
  while (all.output_size == 0) CHECK(cloche_exec_wait(exec, 100, NULL, NULL), CLOCHE_TIMEOUT);
  CHECK(cloche_exec_wait(exec, 0, &outcome, NULL), CLOCHE_TIMEOUT);
  CHECK(cloche_exec_signal(exec, 15, NULL), CLOCHE_OK);
  check(cloche_exec_wait(exec, -1, &outcome, &error), &error);
  CHECK(cloche_outcome_ended(outcome), CLOCHE_SIGNALED);
  CHECK(cloche_outcome_exit_code(outcome), 128 + 15);
  cloche_exec_free(exec);

  CHECK(cloche_command_set_timeout_ms(command, 500), CLOCHE_OK);
  check(cloche_exec_start(sandbox, command, &exec, &error), &error);
  check(cloche_exec_wait(exec, -1, &outcome, &error), &error);
  CHECK(cloche_outcome_timed_out(outcome), true);
  cloche_exec_free(exec);

  check(cloche_exec_start(sandbox, command, &exec, &error), &error);
  CHECK(cloche_exec_signal(exec, 1000, NULL), CLOCHE_INVALID_ARGUMENT);
  cloche_exec_free(exec); /* While it runs. */
  cloche_command_free(command);
}

/* Who writes into a pipe that nobody reads is sent SIGPIPE; not so a program that carries a command's output. */
static void a_reader_that_is_gone(cloche_sandbox* sandbox) {
  const char* const arguments[] = {"/bin/sh", "-c", "for each in 1 2 3; do echo $each; sleep 0.1; done; exit 4", NULL};
  const cloche_outcome* outcome = NULL;
  cloche_error* error = NULL;
  cloche_exec* exec = NULL;
  cloche_command* command = cloche_command_create();
  int ends[2];
  CHECK(pipe(ends), 0);
  CHECK(close(ends[0]), 0);
  CHECK(cloche_command_set_arguments(command, arguments), CLOCHE_OK);
  CHECK(cloche_command_set_streams(command, -1, ends[1], -1), CLOCHE_OK);
  check(cloche_exec_start(sandbox, command, &exec, &error), &error);
  /* Looked at again and again, it ends as well. */
  while (cloche_exec_wait(exec, 0, &outcome, NULL) == CLOCHE_TIMEOUT) usleep(10000);
  CHECK(cloche_outcome_exit_code(outcome), 4);
  cloche_exec_free(exec);
  cloche_command_free(command);
  close(ends[1]);
}

static void one_that_is_not_there(cloche_sandbox* sandbox) {
  const char* const arguments[] = {"no-such-program", NULL};
  const cloche_outcome* outcome = NULL;
  cloche_error* error = NULL;
  cloche_exec* exec = NULL;
  cloche_command* command = cloche_command_create();
  CHECK(cloche_exec_start(sandbox, command, &exec, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_arguments(command, arguments), CLOCHE_OK);
  check(cloche_exec_start(sandbox, command, &exec, &error), &error);
  check(cloche_exec_wait(exec, -1, &outcome, &error), &error);
  CHECK(cloche_outcome_exit_code(outcome), 127);
  CHECK(cloche_outcome_reason(outcome), CLOCHE_REASON_NOT_FOUND);
  cloche_exec_free(exec);
  cloche_command_free(command);
}

static cloche_sandbox_status status_of(cloche_sandbox* sandbox) {
  cloche_info* info = NULL;
  cloche_sandbox_status status;
  CHECK(cloche_sandbox_info(sandbox, &info, NULL), CLOCHE_OK);
  CHECK(strcmp(cloche_info_name(info), "from-c"), 0);
  status = cloche_info_status(info);
  CHECK(cloche_info_pid(info) > 0, status == CLOCHE_SANDBOX_RUNNING || status == CLOCHE_SANDBOX_PAUSED);
  cloche_info_free(info);
  return status;
}

int main(int argc, char** argv) {
  cloche_config* config = cloche_config_create();
  cloche_sandbox *sandbox = NULL, *same = NULL;
  cloche_error* error = NULL;
  cloche_info* info = NULL;
  if (argc != 3) return 2;
  CHECK(cloche_config_set_root(config, argv[1], CLOCHE_WRITES_PRIVATE), CLOCHE_OK);
  CHECK(cloche_config_set_memory_mib(config, 128), CLOCHE_OK);
  CHECK(cloche_config_set_name(config, "from-c"), CLOCHE_OK);
  CHECK(cloche_config_add_label(config, "made-by", "a test"), CLOCHE_OK);
  check(cloche_sandbox_create(config, argv[2], &sandbox, &error), &error);
  CHECK(cloche_sandbox_create(config, argv[2], &same, NULL), CLOCHE_INVALID_ARGUMENT);
  cloche_config_free(config);
  CHECK(status_of(sandbox), CLOCHE_SANDBOX_CREATED);
  check(cloche_sandbox_start(sandbox, &error), &error);
  CHECK(status_of(sandbox), CLOCHE_SANDBOX_RUNNING);
  CHECK(cloche_sandbox_wait(sandbox, 10, NULL, NULL), CLOCHE_TIMEOUT);
  CHECK(cloche_sandbox_remove(sandbox, NULL), CLOCHE_INVALID_ARGUMENT);
  its_output_and_code(sandbox);
  one_that_does_not_end(sandbox);
  a_reader_that_is_gone(sandbox);
  one_that_is_not_there(sandbox);
  check(cloche_sandbox_pause(sandbox, &error), &error);
  CHECK(status_of(sandbox), CLOCHE_SANDBOX_PAUSED);
  check(cloche_sandbox_resume(sandbox, &error), &error);
  /* Another handle of it. */
  check(cloche_sandbox_open("from-c", argv[2], &same, &error), &error);
  CHECK(strcmp(cloche_sandbox_id(same), cloche_sandbox_id(sandbox)), 0);
  check(cloche_sandbox_stop(same, 1000, &error), &error);
  check(cloche_sandbox_wait(sandbox, -1, &info, &error), &error);
  CHECK(cloche_info_status(info), CLOCHE_SANDBOX_STOPPED);
  cloche_info_free(info);
  check(cloche_sandbox_remove(sandbox, &error), &error);
  CHECK(cloche_sandbox_info(same, &info, NULL), CLOCHE_NOT_FOUND);
  cloche_sandbox_free(same);
  cloche_sandbox_free(sandbox);
  printf("done\n");
  return 0;
}
