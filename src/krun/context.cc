#include "krun/context.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <string_view>

#include "cloche/preflight.h"
#include "krun/held.h"
#include "krun/log.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

constexpr size_t kMaxWords = 4096;
constexpr int32_t kMaxCpus = 16;  // Config::cpus

// The C interface knows VMs by number, for the whole process.
struct Contexts {
  std::mutex mutex;
  std::map<uint32_t, Context> all;
  uint32_t next = 0;
};

Contexts& contexts() {
  static Contexts the_contexts;
  return the_contexts;
}

// Whether a library is kernel/libkrunfw: the note of image.S says so. What it holds is our own kernel, which boots
// better from where it was installed with the rest.
int find_note(dl_phdr_info* info, size_t, void* library) {
  const auto& map = *static_cast<const link_map*>(library);
  if (info->dlpi_addr != map.l_addr) return 0;
  for (int number = 0; number < info->dlpi_phnum; ++number) {
    const ElfW(Phdr)& header = info->dlpi_phdr[number];
    if (header.p_type != PT_NOTE) continue;
    std::string_view notes(reinterpret_cast<const char*>(info->dlpi_addr + header.p_vaddr), header.p_memsz);
    if (notes.find(std::string_view("cloche\0", 7)) != std::string_view::npos) return 1;
  }
  return 0;
}

// What the library holds; it stays loaded. A caller may change its root directory before it starts the VM: the
// library's file is out of sight then, and so are the loader and the C library that another process would open it with.
std::optional<KernelImage> find_bundle() {
  if (!has_own_root()) return std::nullopt;
  void* library = ::dlopen("libkrunfw.so.5", RTLD_LAZY | RTLD_LOCAL);
  link_map* map = nullptr;
  if (library == nullptr || ::dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return std::nullopt;
  if (::dl_iterate_phdr(find_note, map) != 0) return std::nullopt;
  using GetKernel = char* (*)(uint64_t*, uint64_t*, size_t*);
  auto get_kernel = reinterpret_cast<GetKernel>(::dlsym(library, "krunfw_get_kernel"));
  KernelImage image;
  size_t size = 0;
  const char* bytes = get_kernel == nullptr ? nullptr : get_kernel(&image.load, &image.entry, &size);
  if (bytes == nullptr || size == 0) {
    write_log(Verbosity::kWarning, fmt::format("{} holds no kernel; cloche's own is used", map->l_name));
    return std::nullopt;
  }
  image.bytes = std::as_bytes(std::span(bytes, size));
  return image;
}

int32_t guarded(const std::function<int32_t()>& act) {
  try {
    return act();
  } catch (const std::exception&) {
    return -ENOMEM;
  }
}

}  // namespace

int32_t with_context(uint32_t id, const std::function<int32_t(Context&)>& act) {
  return guarded([&] {
    std::scoped_lock lock(contexts().mutex);
    auto found = contexts().all.find(id);
    return found == contexts().all.end() ? -ENOENT : act(found->second);
  });
}

std::optional<Context> take_context(uint32_t id) {
  std::scoped_lock lock(contexts().mutex);
  auto node = contexts().all.extract(id);
  return node ? std::optional(std::move(node.mapped())) : std::nullopt;
}

std::optional<std::vector<std::string>> words_of(const char* const array[]) {
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> words;
  for (size_t at = 0; array[at] != nullptr; ++at) {
    if (at == kMaxWords) return std::nullopt;
    words.emplace_back(array[at]);
  }
  return words;
}

}  // namespace cloche::krun

using namespace cloche::krun;

extern "C" {

int32_t krun_create_ctx(void) {
  return guarded([] {
    static const std::optional<cloche::KernelImage> bundle = find_bundle();
    std::scoped_lock lock(contexts().mutex);
    if (contexts().next > INT32_MAX) return -ENOSPC;
    contexts().all[contexts().next].bundle = bundle;
    return static_cast<int32_t>(contexts().next++);
  });
}

int32_t krun_free_ctx(uint32_t ctx_id) { return take_context(ctx_id) ? 0 : -ENOENT; }

int32_t krun_set_vm_config(uint32_t ctx_id, uint8_t num_vcpus, uint32_t ram_mib) {
  return with_context(ctx_id, [&](Context& context) {
    if (num_vcpus == 0 || ram_mib == 0) return -EINVAL;
    context.cpus = num_vcpus;
    context.memory_mib = ram_mib;
    return 0;
  });
}

int32_t krun_get_max_vcpus(void) {
  return guarded([] {
    auto state = cloche::check_kvm().state;
    bool usable = state == cloche::KvmState::kHardware || state == cloche::KvmState::kSoftware;
    return usable ? kMaxCpus : -EINVAL;
  });
}

int32_t krun_has_feature(uint64_t feature) {
  switch (feature) {
    case KRUN_FEATURE_NET:
    case KRUN_FEATURE_BLK:
    case KRUN_FEATURE_INIT_BLOB:
      return 1;
    case KRUN_FEATURE_GPU:
    case KRUN_FEATURE_SND:
    case KRUN_FEATURE_INPUT:
    case KRUN_FEATURE_EFI:
    case KRUN_FEATURE_TEE:
    case KRUN_FEATURE_AMD_SEV:
    case KRUN_FEATURE_INTEL_TDX:
    case KRUN_FEATURE_AWS_NITRO:
    case KRUN_FEATURE_VIRGL_RESOURCE_MAP2:
      return 0;
    default:
      return -EINVAL;
  }
}

}  // extern "C"
