// All processes of one command: a control group of the guest's where there are such, so that none gets away by a
// session or a process group of its own.
#pragma once

#include <sys/types.h>

#include <string>

namespace cloche::agent {

class Group {
 public:
  // A new, empty one in the control groups mounted at `top`. Where there are none, or `top` is empty, the command's
  // process group has to do.
  static Group create(const std::string& top);
  Group(Group&& other) noexcept;
  Group& operator=(Group&&) = delete;
  // Removes the group, unless something of the command lives on in it.
  ~Group();

  // What this process starts between enter() and leave() is in it.
  void enter() const;
  void leave() const;
  // `leader` is the command's first process and its process group.
  void set_leader(pid_t leader) { leader_ = leader; }
  // To the command's process group alone.
  void signal_leader(int number) const;
  // To every process. With SIGKILL none that is being forked gets away.
  void signal_all(int number) const;

 private:
  Group() = default;
  std::string top_, path_;
  pid_t leader_ = -1;
};

// Removes the groups in `top` in which nothing lives any more.
void sweep_groups(const std::string& top);

}  // namespace cloche::agent
