// The directories of the host that the guest sees.
#include <algorithm>
#include <cerrno>

#include "krun/context.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

constexpr size_t kMaxTag = 36;  // Virtio 1.2, 5.11.4.

int32_t add(uint32_t id, const char* tag, FileSystem added) {
  return with_context(id, [&](Context& context) {
    if (tag == nullptr || *tag == '\0') return -EINVAL;
    added.tag = tag;
    if (added.tag.size() > kMaxTag) return -EINVAL;
    auto taken = [&](const FileSystem& other) { return other.tag == added.tag; };
    if (std::ranges::any_of(context.file_systems, taken)) return -EEXIST;
    context.file_systems.push_back(std::move(added));
    return 0;
  });
}

std::optional<std::string> path_of(const char* path) {
  return path == nullptr ? std::nullopt : std::optional<std::string>(path);
}

int32_t check_parent(const std::vector<Overlay>& overlays, const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return 0;
  auto found = std::ranges::find(overlays, path.substr(0, slash), &Overlay::path);
  if (found == overlays.end()) return -ENOENT;
  return found->is_directory ? 0 : -ENOTDIR;
}

// Whether its parent is a directory of the host's is found out when the VM starts.
int32_t add_overlay(uint32_t id, const char* tag, const char* path, Overlay added) {
  return with_context(id, [&](Context& context) {
    if (tag == nullptr || path == nullptr) return -EINVAL;
    added.path = path;
    size_t begin = added.path.find_first_not_of('/');
    if (begin == std::string::npos || added.path.ends_with('/')) return -EINVAL;
    added.path.erase(0, begin);
    auto found = std::ranges::find(context.file_systems, std::string_view(tag), &FileSystem::tag);
    if (found == context.file_systems.end()) return -ENOENT;
    if (!found->path)  // Its directories are those that were added.
      if (int32_t error = check_parent(found->overlays, added.path); error != 0) return error;
    found->overlays.push_back(std::move(added));
    return 0;
  });
}

}  // namespace
}  // namespace cloche::krun

using namespace cloche::krun;

extern "C" {

int32_t krun_set_root(uint32_t ctx_id, const char* root_path) {
  if (root_path == nullptr) return -EINVAL;
  return add(ctx_id, KRUN_FS_ROOT_TAG, {.path = root_path});
}

int32_t krun_add_virtiofs(uint32_t ctx_id, const char* c_tag, const char* c_path) {
  return krun_add_virtiofs3(ctx_id, c_tag, c_path, 0, false);
}

int32_t krun_add_virtiofs2(uint32_t ctx_id, const char* c_tag, const char* c_path, uint64_t shm_size) {
  return krun_add_virtiofs3(ctx_id, c_tag, c_path, shm_size, false);
}

int32_t krun_add_virtiofs3(uint32_t ctx_id, const char* c_tag, const char* c_path, uint64_t shm_size, bool read_only) {
  return add(ctx_id, c_tag, {.path = path_of(c_path), .window_bytes = shm_size, .read_only = read_only});
}

// There is one semantics here, which is Linux's.
int32_t krun_add_virtiofs4(uint32_t ctx_id, const char* c_tag, const char* c_path, uint64_t shm_size, bool read_only,
                           uint32_t semantics) {
  if (semantics > KRUN_FS_SEMANTICS_LINUX_SIMPLIFIED) return -EINVAL;
  return krun_add_virtiofs3(ctx_id, c_tag, c_path, shm_size, read_only);
}

int32_t krun_fs_add_overlay_file(uint32_t ctx_id, const char* fs_tag, const char* path, const uint8_t* data, size_t len,
                                 uint32_t mode, bool one_shot) {
  if (data == nullptr && len > 0) return -EINVAL;
  return add_overlay(ctx_id, fs_tag, path, {.data = data, .size = len, .mode = mode, .one_shot = one_shot});
}

int32_t krun_fs_add_overlay_dir(uint32_t ctx_id, const char* fs_tag, const char* path, uint32_t mode) {
  return add_overlay(ctx_id, fs_tag, path, {.is_directory = true, .mode = mode});
}

int32_t krun_disable_implicit_init(uint32_t ctx_id) {
  return with_context(ctx_id, [](Context& context) {
    auto is_root = [](const FileSystem& other) { return other.tag == KRUN_FS_ROOT_TAG; };
    // A root that is there already has its init in it.
    if (std::ranges::none_of(context.file_systems, is_root)) context.has_implicit_init = false;
    return 0;
  });
}

int32_t krun_set_mapped_volumes(uint32_t, const char* const[]) { return -EINVAL; }

}  // extern "C"
