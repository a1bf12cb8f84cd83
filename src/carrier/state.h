// Where a running machine is written down: one private directory per user and kind, with a lock for whoever starts it,
// a lock that QEMU itself holds for as long as it lives, and a record of its process and port.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/fd.h"
#include "carrier/carrier.h"

namespace cloche::carrier {

struct Record {
  pid_t pid = 0;
  uint16_t port = 0;  // On 127.0.0.1, leads to the agent.
  unsigned memory_mib = 0;
};

class StateDirectory {
 public:
  // The user's own: below $XDG_RUNTIME_DIR or /run/user/UID, where one of them is there and is ours, else
  // /tmp/cloche-UID.
  static Result<StateDirectory> open(Kind kind);
  // Below `base`. What is missing is created; what is there and could be somebody else's is refused (kPermission).
  static Result<StateDirectory> open_below(const std::string& base, Kind kind);

  std::string path(std::string_view name) const { return path_ + "/" + std::string(name); }

  // The right to start or stop the machine, held until the descriptor is closed; none while somebody else has it.
  Result<std::optional<Fd>> try_lock() const;
  // The lock that tells a living machine: QEMU inherits the descriptor and so lets go of it by ending, however it ends.
  // kUnavailable when a machine holds it.
  Result<Fd> take_life() const;
  bool alive() const;

  // The machine's record; none where there is none that can be read.
  std::optional<Record> record() const;
  // Its secret, made new; the other side finds it in the file `token`.
  Result<void> make_token() const;
  Result<std::string> token() const;

  // Has the agent said on the console that it listens?
  bool ready() const;
  // The last lines that the machine and QEMU wrote, as the end of an error's message; empty when there are none.
  std::string last_words() const;

 private:
  explicit StateDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// A record as its file holds it: "pid port memory".
std::string encode(const Record& record);
std::optional<Record> decode_record(std::string_view text);

}  // namespace cloche::carrier
