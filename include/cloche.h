/* cloche for C programs: a microVM per command, and microVMs that stay (sandboxes), of which the caller survives each.
 * What the headers in include/cloche say to C++, for C11 and C++. Link with what `pkg-config cloche` names.
 *
 * Who frees what. What a function with `create`, `start` or `open` in its name hands out, each cloche_info and each
 * cloche_error belong to the caller, who gives them to the cloche_..._free() of their type once; NULL is fine there. A
 * text, and an outcome, belong to the handle that they were asked of, and last as long as that. All that is passed in
 * is copied, but for file descriptors and callbacks. A VM's descriptors may be closed when cloche_vm_start() has
 * returned; those of a command in a sandbox, and callbacks with their context, must last until the command or the VM
 * has been freed.
 *
 * Errors. Functions that can fail return CLOCHE_OK or what went wrong; nothing that they would have handed out is
 * touched then. Where the last parameter is `error`, and not NULL, *error becomes NULL on success, and on failure a
 * description that the caller frees. NULL where a handle or a text belongs is CLOCHE_INVALID_ARGUMENT; asked for a
 * value, NULL has "", 0 or false. No errno, no global state, no exception leaves these functions, and no SIGPIPE comes
 * of them; callbacks must not throw.
 *
 * Threads. Different handles: any threads at once. The same cloche_vm or cloche_sandbox: any threads at once, too,
 * besides its free; where two act on one VM, the second waits for the first, which for cloche_vm_pause() and
 * cloche_vm_resume() can be seconds. The same cloche_config, cloche_command, cloche_exec: one thread at a time. What is
 * only read (cloche_info, cloche_outcome, cloche_error, a cloche_config that VMs are made of): any threads at once. A
 * callback is called on the thread that calls into its VM or command, and must not itself call into that one.
 *
 * Versions. All types are opaque or enumerations, so that a program runs with any later libcloche.so.0. A number keeps
 * its meaning; later versions add some: expect codes, reasons and statuses that you do not know.
 *
 * Times are milliseconds; -1 where a timeout is asked for is none. Configuration is checked as a whole when something
 * is made of it, and the error then names the field, its value and the remedy. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In C++ an enumeration without a type may hold no other number than its own, and callers err. */
#ifdef __cplusplus
#define CLOCHE_INT : int
extern "C" {
#else
#define CLOCHE_INT
#endif

/* --- Errors ------------------------------------------------------------------------------------------------------ */

typedef enum cloche_code CLOCHE_INT {
  CLOCHE_OK = 0,
  CLOCHE_INVALID_ARGUMENT = 1, /* The caller asked for something that cannot be; nothing was created. */
  CLOCHE_NOT_FOUND = 2,        /* A file, program, device or sandbox named by the caller is not there. */
  CLOCHE_PERMISSION = 3,       /* It is there and may not be used. */
  CLOCHE_UNAVAILABLE = 4,      /* The host lacks something (KVM, a kernel image) that the act needs. */
  CLOCHE_HOST = 5,             /* A system call of the host failed; cloche_error_errno() says how. */
  CLOCHE_GUEST = 6,            /* The guest broke a protocol. */
  CLOCHE_TIMEOUT = 7,          /* A time given by the caller passed. */
  CLOCHE_PROTOCOL = 8,         /* The other end of a connection sent what it must not. */
  CLOCHE_UNSUPPORTED = 9,      /* Known, and not possible here: as in a cloche that was built as a stub. */
  CLOCHE_INTERNAL = 10         /* cloche's own mistake, or no memory left. */
} cloche_code;

typedef struct cloche_error cloche_error;

cloche_code cloche_error_code(const cloche_error* error);
/* 0 where no system call is behind it. */
int cloche_error_errno(const cloche_error* error);
/* One line for people. */
const char* cloche_error_message(const cloche_error* error);
void cloche_error_free(cloche_error* error);

/* "0.1.0": of the library that is loaded. */
const char* cloche_version(void);

/* --- Configuration: of a VM, or of a sandbox --------------------------------------------------------------------- */

typedef struct cloche_config cloche_config;

typedef enum cloche_writes CLOCHE_INT {
  CLOCHE_WRITES_PRIVATE = 0, /* Go to memory of the VM and are gone with it. */
  CLOCHE_WRITES_REFUSED = 1, /* Fail with "read-only file system". */
  CLOCHE_WRITES_KEPT = 2     /* Go to the directory that the root is, and stay there. */
} cloche_writes;

typedef enum cloche_access CLOCHE_INT { CLOCHE_READ_WRITE = 0, CLOCHE_READ_ONLY = 1 } cloche_access;

typedef enum cloche_verbosity CLOCHE_INT {
  CLOCHE_LOG_ERROR = 0,
  CLOCHE_LOG_WARNING = 1,
  CLOCHE_LOG_INFO = 2,
  CLOCHE_LOG_DEBUG = 3
} cloche_verbosity;

/* A whole line of printable text, without its end. */
typedef void (*cloche_log_function)(void* context, cloche_verbosity level, const char* line);

/* One processor, 512 MiB, the host's own programs as a read-only root whose writes are private, no network, no input;
 * output and errors go to the caller's. NULL when there is no memory. It can be used for many VMs, and freed or changed
 * as soon as one has been made of it. */
cloche_config* cloche_config_create(void);
void cloche_config_free(cloche_config* config);

/* The command and its arguments, ending with NULL; the first is looked up in the guest's PATH where it has no slash. A
 * sandbox needs none. */
cloche_code cloche_config_set_arguments(cloche_config* config, const char* const* arguments);
/* "NAME=value" each, ending with NULL; over PATH, HOME and HOSTNAME, which are always set. */
cloche_code cloche_config_set_environment(cloche_config* config, const char* const* environment);
/* Absolute; made in the guest where it is missing. */
cloche_code cloche_config_set_working_directory(cloche_config* config, const char* path);
cloche_code cloche_config_set_user(cloche_config* config, uint32_t uid, uint32_t gid);
/* A resource limit by its name in limits.conf(5), as "nofile"; UINT64_MAX is none. */
cloche_code cloche_config_add_limit(cloche_config* config, const char* resource, uint64_t soft, uint64_t hard);
/* File descriptors of the caller's; -1 is /dev/null. Until this is called: none, 1 and 2. A sandbox keeps its command's
 * output itself; for one, an `input` other than -1 says that the command's stays open for those who attach to it. */
cloche_code cloche_config_set_streams(cloche_config* config, int input, int output, int error);
/* The command gets one terminal of this size for all its streams. */
cloche_code cloche_config_set_terminal(cloche_config* config, uint16_t rows, uint16_t columns);

/* A directory that holds a Linux userland becomes the root. */
cloche_code cloche_config_set_root(cloche_config* config, const char* directory, cloche_writes writes);
/* A file or directory of the host appears in the guest, at an absolute path. */
cloche_code cloche_config_add_share(cloche_config* config, const char* host_path, const char* guest_path,
                                    cloche_access access);
/* An image file or a block device becomes /dev/vda, the next /dev/vdb ... */
cloche_code cloche_config_add_disk(cloche_config* config, const char* path, cloche_access access);
/* The guest gets a network interface to wherever the host gets; passt must be installed. */
cloche_code cloche_config_add_network(cloche_config* config);
/* Who comes to this TCP port of 127.0.0.1 reaches that of the guest; of the network that was added last. */
cloche_code cloche_config_publish_port(cloche_config* config, uint16_t host_port, uint16_t guest_port);

/* 1 to 16. */
cloche_code cloche_config_set_cpus(cloche_config* config, uint32_t cpus);
cloche_code cloche_config_set_memory_mib(cloche_config* config, uint64_t memory_mib);
cloche_code cloche_config_set_hostname(cloche_config* config, const char* hostname);
/* The VM is ended that long after its start. */
cloche_code cloche_config_set_timeout_ms(cloche_config* config, int64_t timeout_ms);
/* An ELF vmlinux, a bzImage or a libkrunfw library, instead of cloche's own kernel. */
cloche_code cloche_config_set_kernel(cloche_config* config, const char* path);
/* The file that the guest kernel's console is written to. */
cloche_code cloche_config_set_console(cloche_config* config, const char* path);
/* The directory that holds libexec/cloche and share/cloche. Without: the one that this library lies in. */
cloche_code cloche_config_set_installation(cloche_config* config, const char* directory);
/* What is logged up to `level`, to `function`; NULL: to nobody. Of a VM alone: a sandbox has a log of its own. */
cloche_code cloche_config_set_log(cloche_config* config, cloche_verbosity level, cloche_log_function function,
                                  void* context);

/* Of a sandbox alone: its name (without, one is made up), and what its programs get between SIGTERM and SIGKILL. */
cloche_code cloche_config_set_name(cloche_config* config, const char* name);
cloche_code cloche_config_add_label(cloche_config* config, const char* name, const char* value);
cloche_code cloche_config_set_stop_grace_ms(cloche_config* config, int64_t grace_ms);

/* --- How a command ended ----------------------------------------------------------------------------------------- */

typedef struct cloche_outcome cloche_outcome;

typedef enum cloche_ended CLOCHE_INT {
  CLOCHE_EXITED = 0,   /* cloche_outcome_value() is its exit code. */
  CLOCHE_SIGNALED = 1, /* cloche_outcome_value() is the signal's number. */
  CLOCHE_LOST = 2      /* It is not known to have ended by itself: cloche_outcome_reason(). */
} cloche_ended;

typedef enum cloche_reason CLOCHE_INT {
  CLOCHE_REASON_NONE = 0,
  CLOCHE_REASON_NOT_FOUND = 1,      /* The command is not in the guest. */
  CLOCHE_REASON_NOT_EXECUTABLE = 2, /* It is there and cannot be executed. */
  CLOCHE_REASON_SETUP_FAILED = 3,   /* The guest could not be prepared for it. */
  CLOCHE_REASON_GUEST_PANIC = 4,    /* The guest's kernel panicked. */
  CLOCHE_REASON_INIT_KILLED = 5,    /* Something in the guest killed its first process. */
  CLOCHE_REASON_TRIPLE_FAULT = 6,   /* A virtual CPU gave up. */
  CLOCHE_REASON_GUEST_RESET = 7,    /* The guest restarted or powered off without a word about the command. */
  CLOCHE_REASON_TIMEOUT = 8,        /* The configuration's timeout passed. */
  CLOCHE_REASON_STOPPED = 9,        /* cloche_vm_kill() was called. */
  CLOCHE_REASON_CPU_ERROR = 10,     /* The hypervisor could not go on. */
  CLOCHE_REASON_VMM_DIED = 11       /* The VM's process ended without a report. */
} cloche_reason;

/* CLOCHE_LOST for NULL. */
cloche_ended cloche_outcome_ended(const cloche_outcome* outcome);
int cloche_outcome_value(const cloche_outcome* outcome);
cloche_reason cloche_outcome_reason(const cloche_outcome* outcome);
/* As a shell would say it: the code, 128 and a signal's number, 127 not found, 126 not executable, 125 all else. */
int cloche_outcome_exit_code(const cloche_outcome* outcome);
/* For CLOCHE_LOST: one sentence for people. */
const char* cloche_outcome_text(const cloche_outcome* outcome);
/* The guest kernel's last lines where the VM's end was not orderly; printable, whatever the guest wrote. */
const char* cloche_outcome_console_tail(const cloche_outcome* outcome);
/* Of a command in a sandbox: it was ended because its timeout was over. */
bool cloche_outcome_timed_out(const cloche_outcome* outcome);

/* --- A VM that runs one command ---------------------------------------------------------------------------------- */

typedef struct cloche_vm cloche_vm;

typedef enum cloche_vm_status CLOCHE_INT {
  CLOCHE_VM_RUNNING = 0, /* Or being started. */
  CLOCHE_VM_PAUSED = 1,
  CLOCHE_VM_ENDED = 2
} cloche_vm_status;

/* Starts it and returns, without waiting for it. */
cloche_code cloche_vm_start(const cloche_config* config, cloche_vm** vm, cloche_error** error);
/* Ends it, where it runs. */
void cloche_vm_free(cloche_vm* vm);

/* Waits until it has ended and all its output has been handed over. CLOCHE_TIMEOUT: it still runs. Asked again, the
 * answer is the same. `outcome` may be NULL. */
cloche_code cloche_vm_wait(cloche_vm* vm, int64_t timeout_ms, const cloche_outcome** outcome, cloche_error** error);
/* A look that does not wait. */
cloche_code cloche_vm_get_status(cloche_vm* vm, cloche_vm_status* status, cloche_error** error);
/* To the command's process group. */
cloche_code cloche_vm_signal(cloche_vm* vm, int number, cloche_error** error);
cloche_code cloche_vm_resize(cloche_vm* vm, uint16_t rows, uint16_t columns, cloche_error** error);
/* On return none of the guest's code runs until cloche_vm_resume(). */
cloche_code cloche_vm_pause(cloche_vm* vm, cloche_error** error);
cloche_code cloche_vm_resume(cloche_vm* vm, cloche_error** error);
/* Ends it now. The outcome then says CLOCHE_REASON_STOPPED, unless the command was faster. */
cloche_code cloche_vm_kill(cloche_vm* vm, cloche_error** error);

/* --- A sandbox: a VM that stays, for as many commands as one likes ----------------------------------------------- */

/* `home` is where sandboxes are kept; NULL: $CLOCHE_HOME, or $XDG_DATA_HOME/cloche, or ~/.local/share/cloche. A sandbox
 * outlives its handles and this program. Each call ends within 30 seconds, where it takes no time itself;
 * cloche_sandbox_stop() has its grace on top. */
typedef struct cloche_sandbox cloche_sandbox;
typedef struct cloche_info cloche_info;

typedef enum cloche_sandbox_status CLOCHE_INT {
  CLOCHE_SANDBOX_CREATED = 0, /* Never started. */
  CLOCHE_SANDBOX_STARTING = 1,
  CLOCHE_SANDBOX_RESTARTING = 2,
  CLOCHE_SANDBOX_RUNNING = 3, /* It can be used. */
  CLOCHE_SANDBOX_PAUSED = 4,
  CLOCHE_SANDBOX_STOPPING = 5,
  CLOCHE_SANDBOX_EXITED = 6,  /* Its command ended. */
  CLOCHE_SANDBOX_STOPPED = 7, /* It was stopped. */
  CLOCHE_SANDBOX_FAILED = 8,  /* Its VM could not be started or was lost. */
  CLOCHE_SANDBOX_CRASHED = 9  /* Its process is gone and did not say why. */
} cloche_sandbox_status;

/* Writes it down; it does not run yet. */
cloche_code cloche_sandbox_create(const cloche_config* config, const char* home, cloche_sandbox** sandbox,
                                  cloche_error** error);
/* By name, id, or the beginning of an id that no other has. */
cloche_code cloche_sandbox_open(const char* name, const char* home, cloche_sandbox** sandbox, cloche_error** error);
/* The handle; the sandbox stays as it is. */
void cloche_sandbox_free(cloche_sandbox* sandbox);
const char* cloche_sandbox_id(const cloche_sandbox* sandbox);

/* Returns when it can be used. */
cloche_code cloche_sandbox_start(cloche_sandbox* sandbox, cloche_error** error);
/* Ends its programs in order, then its VM. `grace_ms` -1: that of its configuration. */
cloche_code cloche_sandbox_stop(cloche_sandbox* sandbox, int64_t grace_ms, cloche_error** error);
/* Ends its VM at once. */
cloche_code cloche_sandbox_kill(cloche_sandbox* sandbox, cloche_error** error);
/* Waits until it has ended; CLOCHE_TIMEOUT: it still runs. `info`, the look at its end, may be NULL. */
cloche_code cloche_sandbox_wait(cloche_sandbox* sandbox, int64_t timeout_ms, cloche_info** info, cloche_error** error);
cloche_code cloche_sandbox_pause(cloche_sandbox* sandbox, cloche_error** error);
cloche_code cloche_sandbox_resume(cloche_sandbox* sandbox, cloche_error** error);
/* To the process group of its command. */
cloche_code cloche_sandbox_signal(cloche_sandbox* sandbox, int number, cloche_error** error);
/* Removes it and all that is kept of it. It must not run. */
cloche_code cloche_sandbox_remove(cloche_sandbox* sandbox, cloche_error** error);

/* One look at it. */
cloche_code cloche_sandbox_info(cloche_sandbox* sandbox, cloche_info** info, cloche_error** error);
void cloche_info_free(cloche_info* info);
/* CLOCHE_SANDBOX_CRASHED for NULL. */
cloche_sandbox_status cloche_info_status(const cloche_info* info);
const char* cloche_info_name(const cloche_info* info);
/* One sentence, where it was stopped or lost. */
const char* cloche_info_reason(const cloche_info* info);
/* Of its VM; 0 where it does not run. */
int cloche_info_pid(const cloche_info* info);
/* Of its own command, with CLOCHE_SANDBOX_EXITED: the signal is 0 where it exited. */
int cloche_info_exit_code(const cloche_info* info);
int cloche_info_signal(const cloche_info* info);

/* --- A further command in a running sandbox ---------------------------------------------------------------------- */

typedef struct cloche_command cloche_command;
typedef struct cloche_exec cloche_exec;

/* `size` bytes as they come; `is_error`: of the command's standard error. */
typedef void (*cloche_output_function)(void* context, bool is_error, const void* bytes, size_t size);

/* What is not set is as the sandbox's configuration has it; no input, output and errors to the caller's. NULL when
 * there is no memory. */
cloche_command* cloche_command_create(void);
void cloche_command_free(cloche_command* command);
cloche_code cloche_command_set_arguments(cloche_command* command, const char* const* arguments);
/* Over the sandbox's. */
cloche_code cloche_command_set_environment(cloche_command* command, const char* const* environment);
cloche_code cloche_command_set_working_directory(cloche_command* command, const char* path);
cloche_code cloche_command_set_user(cloche_command* command, uint32_t uid, uint32_t gid);
cloche_code cloche_command_set_streams(cloche_command* command, int input, int output, int error);
cloche_code cloche_command_set_terminal(cloche_command* command, uint16_t rows, uint16_t columns);
/* Its output goes to `function` instead, during cloche_exec_wait(). NULL: to the descriptors again. */
cloche_code cloche_command_set_output(cloche_command* command, cloche_output_function function, void* context);
/* After that it is sent SIGTERM, and then SIGKILL. */
cloche_code cloche_command_set_timeout_ms(cloche_command* command, int64_t timeout_ms);

/* Begins it and returns. */
cloche_code cloche_exec_start(cloche_sandbox* sandbox, const cloche_command* command, cloche_exec** exec,
                              cloche_error** error);
/* Ends it with all its processes, where it runs. */
void cloche_exec_free(cloche_exec* exec);
/* Carries its streams until it has ended. CLOCHE_TIMEOUT: it still runs. `outcome` may be NULL. */
cloche_code cloche_exec_wait(cloche_exec* exec, int64_t timeout_ms, const cloche_outcome** outcome,
                             cloche_error** error);
/* To its process group. */
cloche_code cloche_exec_signal(cloche_exec* exec, int number, cloche_error** error);
cloche_code cloche_exec_resize(cloche_exec* exec, uint16_t rows, uint16_t columns, cloche_error** error);

#undef CLOCHE_INT

#ifdef __cplusplus
} /* extern "C" */
#endif
