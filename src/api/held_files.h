// What cloche/held_installation.h holds: the three files that every VM needs, mapped.
#pragma once

#include <sys/stat.h>

#include <string>

#include "api/installation.h"
#include "api/plan.h"
#include "base/fd.h"
#include "base/mmap.h"

namespace cloche {

class HeldFile {
 public:
  static Result<HeldFile> hold(const std::string& path);
  // Whether its path still leads to it.
  bool is_in_place() const;
  // A file in memory with what it holds. Errors: no memory; somebody has cut the file short.
  Result<Fd> copy() const;

 private:
  HeldFile(std::string path, const struct stat& status, Mmap contents)
      : path_(std::move(path)), device_(status.st_dev), inode_(status.st_ino), contents_(std::move(contents)) {}
  std::string path_;
  dev_t device_;
  ino_t inode_;
  Mmap contents_;
};

class HeldFiles {
 public:
  static Result<HeldFiles> hold(Installation installation);
  const Installation& installation() const { return installation_; }
  bool are_in_place() const { return vmm_.is_in_place() && kernel_.is_in_place() && init_.is_in_place(); }

  // Copies of what is held, open in this process, and an installation of theirs: for make_plan() here.
  struct Copies {
    Fd vmm, kernel, init;
    Installation installation;
  };
  Result<Copies> copy() const;

 private:
  HeldFiles(Installation installation, HeldFile vmm, HeldFile kernel, HeldFile init)
      : installation_(std::move(installation)),
        vmm_(std::move(vmm)),
        kernel_(std::move(kernel)),
        init_(std::move(init)) {}
  Installation installation_;
  HeldFile vmm_, kernel_, init_;
};

// Gives `copies` to the VM's process of a plan that was made with them. The path of that process's program, which is
// resolved in the process itself.
std::string hand_over(HeldFiles::Copies copies, Plan& plan);

}  // namespace cloche
