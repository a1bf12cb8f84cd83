// What the host and cloche-agent say to each other, on connections that the host opens to kAgentPort of the guest.
//
// The agent begins with Welcome. Then the host asks and the agent answers, one request at a time per connection; as
// many connections as one likes. Frames are those of wire/guest.h. A request ends with kDone or another answer named
// beside it, or with kError, after which the connection serves the next one. A frame of an unknown type, one that is
// damaged and one over kMaxFrameBytes (its payload is passed over) are answered with kError as well. Bulk data comes in
// kData frames of at most kMaxDataBytes, and goes no faster than the other end takes it. An empty kData ends it.
//
// kExec: the agent answers kExecuted, then kOutput and kErrorOutput as they come, at the end kEnded. Meanwhile the host
// may send kInput (an empty one is the end of file), kSignal and kResize. It may have kInputWindow bytes of input
// underway, which kInputTaken gives back, so that a signal is never behind input that nobody reads. A connection that
// the host closes, or shuts down for writing, before kEnded takes all the command's processes with it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/guest.h"

namespace cloche::wire {

inline constexpr uint32_t kAgentPort = 10;
inline constexpr uint16_t kAgentVersion = 1;
inline constexpr std::string_view kAgentListens = "listening\n";    // On its standard output, once it does.
inline constexpr std::string_view kAgentShutsDown = "shut down\n";  // There, when kelpie's host wants the guest to end.
inline constexpr uint32_t kKelpiePort = 9001;
inline constexpr uint32_t kMaxDataBytes = 64 << 10;
inline constexpr uint32_t kInputWindow = 256 << 10;

enum class AgentFrame : uint16_t {
  kWelcome = 128,  // agent -> host, first: Welcome
  kPing = 129,     // bytes; answered with the same as kPong
  kPong = 130,

  kExec = 131,         // Exec
  kExecuted = 132,     // u32: the process's number in the guest
  kInput = 133,        // host -> agent: bytes
  kInputTaken = 134,   // agent -> host: u32, bytes
  kSignal = 135,       // host -> agent: u32 number, to the command's process group
  kResize = 136,       // host -> agent: u16 rows, u16 columns
  kOutput = 137,       // agent -> host: bytes; of a terminal, all output
  kErrorOutput = 138,  // agent -> host: bytes
  kEnded = 139,        // ExecEnded

  kData = 140,
  kDone = 141,   // no payload
  kError = 142,  // AgentError

  kReadFile = 143,  // FileRange; answered with kData, the last one empty, then kDone
  kWriteFile =
      144,        // WriteFile, then the host's kData, the last one empty; kDone. After kError the rest is passed over
  kStatus = 145,  // path; FileStatus in kStatusIs. Symbolic links are not followed
  kStatusIs = 146,
  kList = 147,  // path; FileList in kListIs, many where needed, the last one empty
  kListIs = 148,
  kMakeDirectory = 149,  // MakeDirectory; kDone
  kMove = 150,           // Move; kDone
  kRemove = 151,         // Remove; kDone

  kStatistics = 152,  // no payload; Statistics in kStatisticsAre
  kStatisticsAre = 153,
  kMount = 154,     // Mount of wire/guest.h; kDone
  kSetClock = 155,  // u64: CLOCK_REALTIME in ns; kDone
  kReseed = 156,    // bytes for the kernel's random numbers; kDone
  kShutDown = 157,  // u32: ms that programs get after SIGTERM. kDone when all have ended and the file systems are
                    // synced; the guest then ends by itself

  // A tree as a tar stream (src/tar). Errors that no system call is behind have no sys_errno.
  kPack = 158,    // Pack; answered with kData, the last one empty, then kDone; or with kError at any point. After the
                  // empty kData that says what in the stream is not as it was in the guest, and all the rest is
  kUnpack = 159,  // Unpack, then the host's kData, the last one empty; kDone. After kError the rest is passed over

  // Serves kelpie's protocol on kKelpiePort from now on: to who connects, or connecting to the host. Exec, of which all
  // but the arguments is what commands are run with; kDone.
  kKelpieListen = 176,
  kKelpieConnect = 177,
};

struct Welcome {
  uint16_t version = kAgentVersion;
  uint64_t uptime_ns = 0;  // CLOCK_MONOTONIC of the guest.
};

// A command. What it names is looked up in the guest's root.
struct Exec {
  static constexpr uint32_t kNoTimeout = 0;
  std::vector<std::string> arguments;    // argv; the first is looked up in PATH of `environment` when it has no slash.
  std::vector<std::string> environment;  // "NAME=value"
  std::string working_directory;         // Absolute; empty is "/".
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<ResourceLimit> limits;
  Streams streams = Streams::kPipes;
  bool has_input = false;  // Without: the command's input is /dev/null (kPipes only).
  uint16_t rows = 24;
  uint16_t columns = 80;
  uint32_t timeout_ms = kNoTimeout;  // Then SIGTERM to all its processes,
  uint32_t grace_ms = 0;             // and that much later SIGKILL.
};

struct ExecEnded {
  ExitKind kind = ExitKind::kExited;  // As in Exited.
  uint32_t value = 0;
  std::string what;
  bool timed_out = false;
};

struct AgentError {
  int32_t sys_errno = 0;  // Of the guest; EPROTO for a wrong frame.
  std::string what;       // The act and its object.
};

struct FileRange {
  std::string path;
  uint64_t offset = 0;
  uint64_t size = UINT64_MAX;  // At most; to the end where it comes first.
};

enum class WriteMode : uint8_t {
  kReplace = 0,  // What is there is replaced at once, when all has arrived.
  kAppend = 1,
  kCreate = 2,  // Fails with EEXIST where something is there.
};

struct WriteFile {
  std::string path;
  WriteMode write = WriteMode::kReplace;
  uint32_t mode = 0644;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

struct FileStatus {
  std::string name;   // In a list: the entry's. Else the path asked for.
  uint32_t mode = 0;  // With the type, as st_mode.
  uint32_t uid = 0, gid = 0;
  uint64_t size = 0, links = 0, inode = 0;
  uint64_t modified_ns = 0;  // Since 1970; 0 for times before.
  std::string target;        // Of a symbolic link.
};

struct FileList {
  std::vector<FileStatus> entries;  // Without "." and "..".
};

struct MakeDirectory {
  std::string path;
  uint32_t mode = 0755;
  bool parents = false;  // Those missing as well, and no error where it is there.
};

struct Move {
  std::string from, to;
};

struct Remove {
  std::string path;
  bool recursive = false;  // A directory and all in it; never across a mount.
};

struct Pack {
  std::string path;              // A symbolic link is packed as one. Of "/a/." the entries are "./...", else "a/...".
  bool one_file_system = false;  // What is mounted in the tree is left out.
};

struct Unpack {
  std::string directory;  // Must be there; through symbolic links. In it nothing is reached through one.
  std::string name;       // What the tree is to be called; empty: as in the stream.
  // Those of the stream. Without: those below, and set-user-ID and set-group-ID bits go.
  bool keep_owners = false;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

struct ProcessStatistics {
  uint32_t pid = 0, parent = 0, uid = 0, threads = 0;
  char state = '?';  // As in /proc/PID/stat.
  uint64_t user_ns = 0, system_ns = 0, memory_bytes = 0, read_bytes = 0, written_bytes = 0;
  std::string command;  // Its arguments with blanks between, at most 1024 bytes; of a kernel thread none.
};

struct Statistics {
  uint64_t uptime_ns = 0;
  uint64_t user_ns = 0, system_ns = 0, idle_ns = 0;  // Of all processors.
  uint64_t memory_bytes = 0, available_bytes = 0;
  uint64_t read_bytes = 0, written_bytes = 0;  // Of all processes that run.
  std::vector<ProcessStatistics> processes;    // Without the kernel's, cloche-init and the agent's own.
};

// A whole frame, ready to send; `message` is one of those above.
template <typename Message>
std::vector<std::byte> encode(AgentFrame type, const Message& message);
// From a payload; false when it is not exactly such a message.
template <typename Message>
bool decode_message(std::span<const std::byte> payload, Message& message);

// Frames whose payload is plain.
std::vector<std::byte> encode_bytes(AgentFrame type, std::span<const std::byte> bytes);
std::vector<std::byte> encode_text(AgentFrame type, std::string_view text);
std::vector<std::byte> encode_number(AgentFrame type, uint64_t number);  // u32, or u64 for kSetClock.
std::vector<std::byte> encode_size(uint16_t rows, uint16_t columns);     // kResize.
bool decode_number(std::span<const std::byte> payload, uint32_t& number);
bool decode_number(std::span<const std::byte> payload, uint64_t& number);

}  // namespace cloche::wire
