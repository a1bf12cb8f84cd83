// Node: what a share shows, as its maker describes it: a tree held in memory whose leaves are host directories and
// files. The simplest share is one host directory as its root.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace cloche::fs {

class Node {
 public:
  enum class Kind : uint8_t { kHost, kDirectory, kSymlink, kFile };

  // The host directory or regular file that `path_fd` (opened with O_PATH) refers to, and all beneath it.
  static Node host(Fd path_fd);
  // A directory of exactly these names; nothing can be created in it or removed from it.
  static Node directory(std::vector<std::pair<std::string, Node>> children, uint32_t mode = 0755);
  static Node symlink(std::string target);
  // A read-only file with these contents.
  static Node file(std::string contents, uint32_t mode = 0644);

  Kind kind() const { return kind_; }
  uint32_t mode() const { return mode_; }  // Permission bits; of no meaning for a host node.
  // What the node was made of, for the one who builds the share from it.
  Fd take_host() && { return std::move(host_); }
  std::string take_text() && { return std::move(text_); }
  std::vector<std::pair<std::string, Node>> take_children() && { return std::move(children_); }

 private:
  Node(Kind kind, uint32_t mode) : kind_(kind), mode_(mode) {}

  Kind kind_;
  uint32_t mode_;
  Fd host_;
  std::string text_;  // A symlink's target or a file's contents.
  std::vector<std::pair<std::string, Node>> children_;
};

}  // namespace cloche::fs
