/* Every function of cloche.h with NULL and what else no caller should give it: a code comes back, and nothing breaks.
 * No VM is needed. */
#include <cloche.h>
#include <string.h>

#include "check.h"

static const char* endless[70000];

static void nothing_is_freed(void) {
  cloche_config_free(NULL);
  cloche_command_free(NULL);
  cloche_error_free(NULL);
  cloche_vm_free(NULL);
  cloche_sandbox_free(NULL);
  cloche_info_free(NULL);
  cloche_exec_free(NULL);
}

static void nothing_is_asked(void) {
  CHECK(cloche_error_code(NULL), CLOCHE_OK);
  CHECK(cloche_error_errno(NULL), 0);
  CHECK(strcmp(cloche_error_message(NULL), ""), 0);
  CHECK(cloche_outcome_ended(NULL), CLOCHE_LOST);
  CHECK(cloche_outcome_value(NULL), 0);
  CHECK(cloche_outcome_reason(NULL), CLOCHE_REASON_NONE);
  CHECK(cloche_outcome_exit_code(NULL), 125);
  CHECK(strcmp(cloche_outcome_text(NULL), ""), 0);
  CHECK(strcmp(cloche_outcome_console_tail(NULL), ""), 0);
  CHECK(cloche_outcome_timed_out(NULL), false);
  CHECK(cloche_info_status(NULL), CLOCHE_SANDBOX_CRASHED);
  CHECK(strcmp(cloche_info_name(NULL), ""), 0);
  CHECK(strcmp(cloche_info_reason(NULL), ""), 0);
  CHECK(cloche_info_pid(NULL), 0);
  CHECK(cloche_info_exit_code(NULL), 0);
  CHECK(cloche_info_signal(NULL), 0);
  CHECK(strcmp(cloche_sandbox_id(NULL), ""), 0);
}

static void nothing_is_configured(void) {
  const char* const texts[] = {"x", NULL};
  CHECK(cloche_config_set_arguments(NULL, texts), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_environment(NULL, texts), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_working_directory(NULL, "/"), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_user(NULL, 1, 1), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_limit(NULL, "nofile", 1, 1), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_streams(NULL, 0, 1, 2), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_terminal(NULL, 24, 80), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_root(NULL, "/", CLOCHE_WRITES_PRIVATE), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_share(NULL, "/", "/x", CLOCHE_READ_ONLY), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_disk(NULL, "/x", CLOCHE_READ_ONLY), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_network(NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_publish_port(NULL, 80, 80), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_cpus(NULL, 1), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_memory_mib(NULL, 128), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_hostname(NULL, "x"), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_timeout_ms(NULL, 1), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_kernel(NULL, "/x"), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_console(NULL, "/x"), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_installation(NULL, "/x"), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_log(NULL, CLOCHE_LOG_INFO, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_name(NULL, "x"), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_label(NULL, "x", "y"), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_stop_grace_ms(NULL, 1), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_arguments(NULL, texts), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_environment(NULL, texts), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_working_directory(NULL, "/"), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_user(NULL, 1, 1), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_streams(NULL, 0, 1, 2), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_terminal(NULL, 24, 80), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_output(NULL, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_timeout_ms(NULL, 1), CLOCHE_INVALID_ARGUMENT);
}

static void wrong_values(cloche_config* config, cloche_command* command) {
  size_t i;
  for (i = 0; i + 1 < sizeof endless / sizeof endless[0]; ++i) endless[i] = "x";
  CHECK(cloche_config_set_arguments(config, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_arguments(config, endless), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_environment(config, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_working_directory(config, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_limit(config, NULL, 1, 1), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_root(config, NULL, CLOCHE_WRITES_PRIVATE), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_root(config, "/", (cloche_writes)3), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_root(config, "/", (cloche_writes)-1), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_log(config, (cloche_verbosity)-1, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_share(config, NULL, "/x", CLOCHE_READ_ONLY), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_share(config, "/", NULL, CLOCHE_READ_ONLY), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_share(config, "/", "/x", (cloche_access)2), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_disk(config, NULL, CLOCHE_READ_ONLY), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_disk(config, "/x", (cloche_access)2), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_publish_port(config, 80, 80), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_hostname(config, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_timeout_ms(config, -2), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_kernel(config, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_console(config, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_installation(config, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_log(config, (cloche_verbosity)4, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_name(config, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_label(config, NULL, "x"), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_add_label(config, "x", NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_stop_grace_ms(config, -1), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_arguments(command, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_arguments(command, endless), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_environment(command, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_working_directory(command, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_command_set_timeout_ms(command, -2), CLOCHE_INVALID_ARGUMENT);
}

static void nobody_is_asked_to_act(void) {
  cloche_error* error = NULL;
  cloche_vm_status status;
  CHECK(cloche_vm_wait(NULL, 0, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_vm_get_status(NULL, &status, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_vm_signal(NULL, 15, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_vm_resize(NULL, 24, 80, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_vm_pause(NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_vm_resume(NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_vm_kill(NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_start(NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_stop(NULL, -1, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_kill(NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_wait(NULL, 0, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_pause(NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_resume(NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_signal(NULL, 15, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_remove(NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_info(NULL, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_exec_start(NULL, NULL, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_exec_wait(NULL, 0, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_exec_signal(NULL, 15, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_exec_resize(NULL, 24, 80, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_vm_kill(NULL, &error), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_error_code(error), CLOCHE_INVALID_ARGUMENT);
  CHECK(strcmp(cloche_error_message(error), "vm: is NULL"), 0);
  cloche_error_free(error);
}

static void wrong_configurations(cloche_config* config, const char* home) {
  const char* const command[] = {"true", NULL};
  cloche_error* error = NULL;
  cloche_vm* vm = NULL;
  cloche_sandbox* sandbox = NULL;
  CHECK(cloche_vm_start(NULL, &vm, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_vm_start(config, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_create(NULL, home, &sandbox, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_create(config, home, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_open(NULL, home, &sandbox, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_open("x", home, NULL, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_sandbox_open("nobody", home, &sandbox, NULL), CLOCHE_NOT_FOUND);
  /* Without a command. */
  CHECK(cloche_vm_start(config, &vm, NULL), CLOCHE_INVALID_ARGUMENT);
  CHECK(cloche_config_set_arguments(config, command), CLOCHE_OK);
  CHECK(cloche_config_set_cpus(config, 17), CLOCHE_OK);
  CHECK(cloche_vm_start(config, &vm, &error), CLOCHE_INVALID_ARGUMENT);
  CHECK(strstr(cloche_error_message(error), "17") != NULL, 1);
  cloche_error_free(error);
  CHECK(cloche_config_set_cpus(config, 1), CLOCHE_OK);
  CHECK(cloche_config_set_kernel(config, "/etc/passwd/kernel"), CLOCHE_OK);
  CHECK(cloche_vm_start(config, &vm, &error), CLOCHE_HOST);
  CHECK(strstr(cloche_error_message(error), "/etc/passwd/kernel") != NULL, 1);
  CHECK(cloche_error_errno(error), ENOTDIR);
  cloche_error_free(error);
  CHECK(cloche_config_set_root(config, "/nowhere", CLOCHE_WRITES_KEPT), CLOCHE_OK);
  CHECK(cloche_vm_start(config, &vm, &error), CLOCHE_NOT_FOUND);
  CHECK(strstr(cloche_error_message(error), "/nowhere") != NULL, 1);
  CHECK(cloche_error_errno(error), 0);
  cloche_error_free(error);
  CHECK(vm == NULL && sandbox == NULL, 1);
}

int main(int argc, char** argv) {
  cloche_config* config = cloche_config_create();
  cloche_command* command = cloche_command_create();
  if (argc != 2) return 2;
  CHECK(config != NULL && command != NULL, 1);
  CHECK(strlen(cloche_version()) >= 5, 1);
  nothing_is_freed();
  nothing_is_asked();
  nothing_is_configured();
  wrong_values(config, command);
  nobody_is_asked_to_act();
  wrong_configurations(config, argv[1]);
  cloche_config_free(config);
  cloche_command_free(command);
  return 0;
}
