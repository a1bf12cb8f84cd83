#include "devices/fs/inode.h"

#include <algorithm>
#include <utility>

namespace cloche::fs {
namespace {

constexpr int kMaxTreeDepth = 64;  // Of the tree a share is made of; a deeper one is our mistake, not the guest's.

FileKey key_of(const HostStat& stat, uint32_t leaf) {
  return {.mount = stat.stx_mnt_id,
          .device = device_of(stat),
          .number = stat.stx_ino,
          .leaf = S_ISDIR(stat.stx_mode) ? leaf : 0};
}

}  // namespace

size_t InodeTable::KeyHash::operator()(const FileKey& key) const {
  constexpr uint64_t kSpread = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio: spreads consecutive inode numbers.
  uint64_t mixed = (key.number ^ key.mount << 40 ^ key.device << 20 ^ uint64_t{key.leaf} << 56) * kSpread;
  return static_cast<size_t>(mixed ^ mixed >> 32);
}

bool Inode::is_same_file(const HostStat& stat) const {
  return key_of(stat, leaf) == key && (stat.stx_mode & S_IFMT) == mode && stat.stx_btime.tv_sec == birth.tv_sec &&
         stat.stx_btime.tv_nsec == birth.tv_nsec;
}

Result<InodeTable> InodeTable::create(Node root, size_t most_paths) {
  InodeTable table(most_paths);
  TRY(table.pin(std::move(root), nullptr, 0));
  return table;
}

Inode& InodeTable::add(uint32_t mode) {
  auto inode = std::make_unique<Inode>();
  inode->id = next_id_++;
  inode->mode = mode;
  Inode& added = *inode;
  by_id_[added.id] = std::move(inode);
  return added;
}

Result<Inode*> InodeTable::pin(Node node, Inode* parent, int depth) {
  if (depth > kMaxTreeDepth) return fail(ErrorCode::kInvalidArgument, "a share's tree is too deep");
  Inode& inode = add(0);
  inode.pinned = true;
  inode.parent = parent;
  Node::Kind kind = node.kind();
  if (kind == Node::Kind::kHost) {
    TRY(pin_host(inode, std::move(node).take_host()));
    return &inode;
  }
  inode.contents = std::make_shared<VirtualNode>();
  if (kind == Node::Kind::kDirectory) {
    inode.mode = S_IFDIR | node.mode();
    TRY(pin_children(inode, std::move(node), depth));
    return &inode;
  }
  inode.mode = (kind == Node::Kind::kSymlink ? S_IFLNK : S_IFREG) | node.mode();
  inode.contents->text = std::move(node).take_text();
  return &inode;
}

Result<void> InodeTable::pin_host(Inode& inode, Fd path) {
  auto stat = stat_of(path);
  if (!stat) return fail_errno("look at a shared file", stat.error().value);
  if (!S_ISDIR(stat->stx_mode) && !S_ISREG(stat->stx_mode)) {
    return fail(ErrorCode::kInvalidArgument, "only directories and regular files can be shared");
  }
  leaves_.push_back(&inode);
  inode.leaf = static_cast<uint32_t>(leaves_.size());
  inode.mode = stat->stx_mode & S_IFMT;
  inode.path = std::move(path);
  inode.key = key_of(*stat, inode.leaf);
  enter_mount(inode);
  shown_number(device_of(*stat), 0);       // The first device named shows its numbers unchanged.
  by_key_.try_emplace(inode.key, &inode);  // A file shared twice: both are pinned, the first is what lookups find.
  return {};
}

Result<void> InodeTable::pin_children(Inode& inode, Node node, int depth) {
  auto& children = inode.contents->children;
  for (auto& [name, child] : std::move(node).take_children()) {
    bool valid = name.find('\0') == std::string::npos && check_component(name.c_str());
    if (!valid || std::ranges::find(children, name, &VirtualNode::Child::name) != children.end()) {
      return fail(ErrorCode::kInvalidArgument, "bad or double name in a share's tree: " + name);
    }
    Inode* added = TRY(pin(std::move(child), &inode, depth + 1));
    children.push_back({std::move(name), added});
  }
  return {};
}

Inode* InodeTable::find(uint64_t id) {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second.get();
}

// Where a mount is entered its file system is looked at; below, it is the parent's.
void InodeTable::enter_mount(Inode& inode) {
  FileSystem system = file_system_of(inode.path);
  inode.sealed = system == FileSystem::kKernelInterface;
  inode.local = system == FileSystem::kLocal;
  if (inode.is_directory() && !inode.sealed) paths_.add_mount(inode.key.mount, inode.path);
}

Inode* InodeTable::known(const HostStat& stat, const Inode& parent) {
  auto found = by_key_.find(key_of(stat, parent.leaf));
  if (found == by_key_.end()) return nullptr;
  Inode* inode = found->second;
  // With no descriptor held the number may have gone to another file; the old one stays known by its id, as stale.
  if (!inode->path && !inode->is_same_file(stat)) {
    by_key_.erase(found);
    return nullptr;
  }
  return inode;
}

Outcome<Inode*> InodeTable::intern(Fd path, const HostStat& stat, Inode& parent, const char* name) {
  if (Inode* inode = known(stat, parent)) {
    give_name(*inode, parent, name);
    return inode;
  }
  FileKey key = key_of(stat, parent.leaf);
  if (full()) return refuse(ENFILE);
  bool crossed = key.mount != parent.key.mount || (key.mount == 0 && key.device != parent.key.device);
  Inode& inode = add(stat.stx_mode & S_IFMT);
  inode.leaf = parent.leaf;
  inode.local = parent.local;
  inode.key = key;
  inode.birth = stat.stx_btime;
  inode.path = std::move(path);
  by_key_[key] = &inode;
  if (crossed) enter_mount(inode);
  if (!paths_.add(inode)) {
    inode.path.reset();
    drop_unused(&inode);
    return refuse(ENFILE);
  }
  give_name(inode, parent, name);
  return &inode;
}

void InodeTable::give_name(Inode& inode, Inode& parent, const char* name) {
  if (inode.pinned || paths_.has_handles(inode.key.mount)) return;
  if (inode.parent != &parent) {
    ++parent.children;
    Inode* before = std::exchange(inode.parent, &parent);
    if (before != nullptr) {
      --before->children;
      drop_unused(before);
    }
  }
  inode.name = name;
  if (!inode.name.empty()) paths_.named(inode);
}

Outcome<Inode*> InodeTable::take_name(Inode& parent, const char* name) {
  if (!paths_.uses_names()) return nullptr;
  const Fd* directory = TRY(path(parent));
  Outcome<HostStat> stat = stat_of(*directory, name);
  if (!stat) return nullptr;  // What follows will fail as well, and say why.
  Inode* found = known(*stat, parent);
  if (found == nullptr || found->parent != &parent || found->name != name) return nullptr;
  TRY(path(*found));
  found->name.clear();
  return found;
}

void InodeTable::forget(uint64_t id, uint64_t count) {
  Inode* inode = find(id);
  if (inode == nullptr) return;
  inode->lookups -= std::min(count, inode->lookups);
  drop_unused(inode);
}

void InodeTable::drop_unused(Inode* inode) {
  while (inode != nullptr && inode->lookups == 0 && inode->children == 0 && !inode->pinned) {
    Inode* parent = inode->parent;
    paths_.remove(*inode);
    auto found = by_key_.find(inode->key);
    if (found != by_key_.end() && found->second == inode) by_key_.erase(found);
    by_id_.erase(inode->id);
    if (parent != nullptr) --parent->children;
    inode = parent;
  }
}

void InodeTable::clear() {
  std::erase_if(by_key_, [](const auto& entry) { return !entry.second->pinned; });
  std::erase_if(by_id_, [](const auto& entry) { return !entry.second->pinned; });
  for (auto& [id, inode] : by_id_) inode->lookups = inode->children = 0;
  paths_.clear();
}

uint64_t InodeTable::shown_number(uint64_t device, uint64_t number) {
  uint64_t place = devices_.try_emplace(device, devices_.size()).first->second;
  return number ^ place << kDeviceShift;
}

}  // namespace cloche::fs
