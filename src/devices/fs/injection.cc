// Files and directories laid over a share's tree from memory.
#include <fcntl.h>

#include <algorithm>

#include "devices/fs/inode.h"

namespace cloche::fs {

const VirtualNode::Child* Inode::named(std::string_view wanted) const {
  for (const VirtualNode::Child& child : is_virtual() ? contents->children : injected) {
    if (child.inode != nullptr && child.name == wanted) return &child;
  }
  return nullptr;
}

bool Inode::loses_entries() {
  auto is_lost = [](const VirtualNode::Child& child) { return child.inode == nullptr || child.inode->found_once; };
  return std::ranges::any_of(entries(), is_lost);
}

// One step down the tree. What lies on the way stays known, as entries hang on it.
Result<Inode*> InodeTable::descend(Inode& parent, const std::string& name) {
  if (!parent.is_directory()) return fail(ErrorCode::kInvalidArgument, "not a directory", ENOTDIR);
  if (const VirtualNode::Child* child = parent.named(name)) return child->inode;
  if (parent.is_virtual() || parent.sealed || !check_component(name.c_str())) {
    return fail(ErrorCode::kNotFound, "no such directory", ENOENT);
  }
  Outcome<Fd> path = open_beneath(parent.path, name.c_str(), O_PATH);
  if (!path && path.error().value == ENOENT) return fail(ErrorCode::kNotFound, "no such directory", ENOENT);
  if (!path) return fail_errno("look it up", path.error().value);
  Outcome<HostStat> stat = stat_of(*path);
  if (!stat) return fail_errno("look at it", stat.error().value);
  Outcome<Inode*> inode = intern(std::move(*path), *stat, parent, "");
  if (!inode) return fail_errno("hold it", inode.error().value);
  if (!(*inode)->pinned) paths_.remove(**inode);  // Like the tree's own, it never gives its descriptor up.
  (*inode)->pinned = true;
  return *inode;
}

Result<void> InodeTable::inject(Injection injection) {
  std::string what = "inject \"" + injection.path + "\"";
  auto bad = [&](const char* why) { return fail(ErrorCode::kInvalidArgument, what + ": " + why); };
  if (injection.path.find('\0') != std::string::npos) return bad("the name has a zero byte in it");
  size_t slash = injection.path.rfind('/');
  std::string leaf = injection.path.substr(slash == std::string::npos ? 0 : slash + 1);
  if (!check_component(leaf.c_str())) return bad("it names no file");
  Inode* parent = find(kRootId);
  for (size_t at = 0; slash != std::string::npos && at < slash;) {
    size_t end = std::min(injection.path.find('/', at), slash);
    std::string part = injection.path.substr(at, end - at);
    at = end + 1;
    if (part.empty()) continue;
    auto next = descend(*parent, part);
    if (!next) return std::unexpected(std::move(next).error().in(what + ": " + part));
    parent = *next;
  }
  if (!parent->is_directory()) return bad("what it shall lie in is not a directory");
  if (parent->sealed) return fail(ErrorCode::kNotFound, what + ": no such directory");
  if (parent->named(leaf) != nullptr) return bad("there are two of this name");
  bool is_directory = injection.kind == Injection::Kind::kDirectory;
  bool once = injection.lookups == Injection::Lookups::kOne;
  if (is_directory && once) return bad("only files can be there for one lookup");
  Inode& inode = add((is_directory ? S_IFDIR : S_IFREG) | (injection.mode & 07777));
  inode.pinned = true;
  inode.found_once = once;
  if (is_directory) inode.parent = parent;
  inode.contents = std::make_shared<VirtualNode>();
  inode.contents->text = std::move(injection.contents);
  parent->entries().push_back({std::move(leaf), &inode});
  injects_ = true;
  return {};
}

void InodeTable::found(uint64_t directory, std::string_view name) {
  if (!injects_) return;
  Inode* parent = find(directory);
  const VirtualNode::Child* child = parent == nullptr ? nullptr : parent->named(name);
  if (child == nullptr || !child->inode->found_once) return;
  child->inode->pinned = false;  // It stays until the guest forgets it.
  auto& entries = parent->entries();
  entries[static_cast<size_t>(child - entries.data())].inode = nullptr;
}

}  // namespace cloche::fs
