// Where sandboxes are kept: a directory each, below the home's "sandboxes". What is in there is of use to readers at
// any time: a sandbox's directory appears when it is complete, and goes at once.
//
//   ID/sandbox.json  record.h            ID/state.json  state.h, by the VM's process
//   ID/crashed-TIME  that the life begun then has crashed is among the events
//   ID/output.log    the command's       ID/vmm.log     the VM's process's own words
//   ID/run           a link to what is gone with the host's next start: its lock and control socket (wire/control.h)
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "sandbox/record.h"
#include "sandbox/state.h"

namespace cloche::sandbox {

class Home {
 public:
  // `path`, or $CLOCHE_HOME, or $XDG_DATA_HOME/cloche, or ~/.local/share/cloche; made where it is missing.
  static Result<Home> open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string directory(const std::string& id) const { return path_ + "/sandboxes/" + id; }
  std::string run_directory(const std::string& id) const { return directory(id) + "/run"; }

  // The right to add, rename and remove sandboxes, for as long as the descriptor is open. Waits for it.
  Result<Fd> lock() const;
  // Complete ones, in no order.
  Result<std::vector<std::string>> ids() const;
  // kNotFound where there is no such sandbox any more.
  Result<Record> record(const std::string& id) const;
  // As it is now, whatever its process last said. Who is the first to find that it has crashed adds that to the events.
  Result<SandboxInfo> info(const std::string& id) const;
  // The id of the sandbox that is meant by its name, its id or the beginning of its id. kNotFound.
  Result<std::string> find(const std::string& name) const;

  // The caller holds the lock.
  Result<void> add(const Record& record) const;
  Result<void> rewrite(const Record& record) const;
  Result<void> remove(const std::string& id) const;

  // Makes the directory for its lock and socket anew where it is missing, and returns where it lies.
  Result<std::string> make_run_directory(const std::string& id) const;

  // What befell a sandbox, for the events (event_log.h). Nobody waits for it, and what cannot be written is lost.
  void tell(const Record& record, const char* kind, std::map<std::string, std::string> details = {}) const;

 private:
  explicit Home(std::string path) : path_(std::move(path)) {}
  std::string name_of(const std::string& id) const;
  // That no other sandbox has the name of this one.
  Result<void> check_free(const Record& record) const;
  void sweep() const;
  void tell_crash(const Record& record, const State& state) const;
  std::string path_;
};

std::string make_id();
// Two words, for a sandbox whose maker gave it no name.
std::string make_name();
Result<void> check_name(const std::string& name);

}  // namespace cloche::sandbox
