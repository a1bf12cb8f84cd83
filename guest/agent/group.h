// All processes of one command: a control group of the guest's where there are such, so that none gets away by a
// session or a process group of its own.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.h"

namespace cloche::agent {

class Groups;

class Group {
 public:
  Group(Group&& other) noexcept;
  Group& operator=(Group&&) = delete;
  // Gives the group back, for another command where nothing of this one lives on in it.
  ~Group();

  // Where "0", written by a process, puts that into the group; -1: nowhere.
  int joining() const { return joining_.get(); }
  // `leader` is the command's first process and its process group.
  void set_leader(pid_t leader) { leader_ = leader; }
  // To the command's process group alone.
  void signal_leader(int number) const;
  // To every process. With SIGKILL none that is being forked gets away.
  void signal_all(int number) const;

 private:
  friend class Groups;
  explicit Group(Groups& groups) : groups_(&groups) {}
  Groups* groups_;
  std::string path_;  // Empty: the command's process group has to do.
  Fd joining_;
  pid_t leader_ = -1;
};

// The groups of one process of ours, which takes one at a time; an empty one is kept, as making one costs more than
// much that a command does.
class Groups {
 public:
  // Control groups are mounted at `top`; where there are none, or `top` is empty, there are no groups.
  explicit Groups(std::string top) : top_(std::move(top)) {}
  ~Groups();
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;

  const std::string& top() const { return top_; }
  // With nothing in it.
  Group take();

 private:
  friend class Group;
  void give_back(std::string path, Fd joining);
  // Removes what commands have left, of this process and of those that are gone.
  void sweep();
  std::string top_;
  unsigned made_ = 0;
  std::string spare_;
  Fd spare_joining_;
  std::vector<std::string> left_;  // In which something lived on.
};

}  // namespace cloche::agent
