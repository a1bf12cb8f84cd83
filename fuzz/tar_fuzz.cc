// A tar stream of the fuzzer's liking, unpacked into a directory that nothing may get out of.
#include <signal.h>
#include <sys/resource.h>

#include "input.h"
#include "tar/testing/stream.h"
#include "tar/testing/tree.h"

namespace cloche::tar {
namespace {

constexpr int kMostEntries = 50;
constexpr rlim_t kMostFileBytes = 64 << 20;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

std::string text(FuzzInput& input, size_t most) {
  std::string made(input.pick(static_cast<uint32_t>(most)), '\0');
  for (char& each : made) each = input.take<char>();
  return made;
}

// Mostly names that meet each other, so that the fuzzer gets to links and directories in each other's place.
std::string name(FuzzInput& input) {
  static constexpr const char* kNames[] = {"a",    "a/b",       "a/b/c",      "d",    "a/../b",  "../outside/file",
                                           "door", "door/file", "../outside", "/tmp", "./a/./b", ".",
                                           "a/",   "b"};
  uint32_t which = input.pick(std::size(kNames) + 1);
  return which < std::size(kNames) ? kNames[which] : text(input, 100);
}

std::string records(FuzzInput& input) {
  static constexpr const char* kKeys[] = {
      "path", "linkpath",           "size", "uid", "mtime", "GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.name",
      "gid",  "GNU.sparse.realsize"};
  std::string made;
  for (uint32_t count = input.pick(6); count > 0; --count) {
    std::string key = kKeys[input.pick(std::size(kKeys))];
    uint32_t kind = input.pick(4);
    std::string value = kind == 0   ? name(input)
                        : kind == 1 ? text(input, 50)
                                    : std::to_string(input.pick(kind == 2 ? 3 : 5000));
    append_record(made, key, value);
  }
  return input.pick(8) == 0 ? made + text(input, 30) : made;
}

void add(testing::Stream& stream, FuzzInput& input) {
  static constexpr std::string_view kTypes("01256xgLK0x537", 14);
  char type = kTypes[input.pick(kTypes.size())];
  std::string data;
  if (type == 'x' || type == 'g') data = records(input);
  if (type == 'L' || type == 'K') data = name(input);
  if (type == '0')
    data = input.pick(4) == 0 ? "2\n0\n512\n1024\n" + std::to_string(input.pick(600)) + "\n" : text(input, 2000);
  Header header = testing::header(type, name(input), data.size());
  if (input.pick(2) == 0) {
    std::string target = name(input);
    std::memcpy(header.target, target.data(), std::min(target.size(), sizeof header.target));
  }
  // A few bytes anywhere, the numbers among them.
  for (uint32_t count = input.pick(4) == 0 ? input.pick(12) : 0; count > 0; --count)
    reinterpret_cast<unsigned char*>(&header)[input.pick(sizeof header)] = input.take<uint8_t>();
  testing::seal(header);
  stream.add(header, data);
}

class Run {
 public:
  Run() {
    place_ = scratch_.make("place");
    scratch_.make("outside");
    scratch_.put("outside/file", "untouched");
    std::filesystem::create_symlink("../outside", place_ + "/door");
    before_ = testing::describe(scratch_.at("outside"));
  }
  void unpack(FuzzInput& input) {
    UnpackOptions options{.links = input.pick(2) == 0 ? Links::kAny : Links::kInsideOnly,
                          .owners = input.pick(2) == 0 ? Owners::kKept : Owners::kCaller};
    if (input.pick(2) == 0) options.name = "named";
    testing::Stream stream;
    for (int count = 0; count < kMostEntries && !input.empty(); ++count) add(stream, input);
    std::string whole = stream.whole();
    (void)testing::unpack_all(whole, place_, options, input.pick(2000) + 1);
    require(testing::describe(scratch_.at("outside")) == before_);
    if (!options.name.empty())
      for (const auto& each : std::filesystem::directory_iterator(place_))
        require(each.path().filename() == "named" || each.path().filename() == "door");
  }

 private:
  testing::Scratch scratch_;
  std::string place_;
  std::map<std::string, std::string> before_;
};

}  // namespace
}  // namespace cloche::tar

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{cloche::tar::kMostFileBytes, cloche::tar::kMostFileBytes};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloche::FuzzInput input(data, size);
  cloche::tar::Run().unpack(input);
  return 0;
}
