// mmap(2): mappings and read(2), write(2) see the same file.
#include "checks.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include <cstring>

namespace cloche::posix {
namespace {

constexpr size_t kPage = 4096;

class Mapping {
 public:
  Mapping(int fd, size_t size, int protection, int flags)
      : size_(size), at_(::mmap(nullptr, size, protection, flags, fd, 0)) {}
  ~Mapping() {
    if (at_ != MAP_FAILED) ::munmap(at_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  int error() const { return at_ == MAP_FAILED ? errno : 0; }
  char* data() const { return static_cast<char*>(at_); }

 private:
  size_t size_;
  void* at_;
};

void shared(Checks& check) {
  put("file", std::string(3 * kPage, 'a'));
  File file("file", O_RDWR);
  Mapping map(file.fd(), 3 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED);
  check.ok("map", map.error());
  if (map.error() != 0) return;
  check.equal("what is there", map.data()[kPage], 'a');
  check.equal("write", ::pwrite(file.fd(), "bcd", 3, kPage), 3);
  check.text("is seen in the map", std::string(map.data() + kPage, 3), "bcd");
  std::memcpy(map.data() + 2 * kPage, "xyz", 3);
  char got[4]{};
  check.equal("read", ::pread(file.fd(), got, 3, 2 * kPage), 3);
  check.text("sees what the map wrote", got, "xyz");
  check.ok("msync", err(::msync(map.data(), 3 * kPage, MS_SYNC)));
  check.text("by name", contents("file").substr(2 * kPage, 3), "xyz");
  Mapping again(file.fd(), kPage, PROT_READ | PROT_WRITE, MAP_SHARED);
  again.data()[5] = 'Q';
  check.equal("two maps are one", map.data()[5], 'Q');
  pid_t child = ::fork();
  if (child == 0) {
    map.data()[6] = 'R';
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  check.equal("a child's write", map.data()[6], 'R');
}

void private_map(Checks& check) {
  put("file", std::string(kPage, 'a'));
  File file("file", O_RDONLY);
  Mapping map(file.fd(), kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  check.ok("map", map.error());
  map.data()[0] = 'x';
  check.text("the file is as it was", contents("file").substr(0, 1), "a");
  check.is("shared to write, of a reader", Mapping(file.fd(), kPage, PROT_WRITE, MAP_SHARED).error(), EACCES);
}

void end_of_file(Checks& check) {
  put("file", "short");
  File file("file", O_RDWR);
  Mapping map(file.fd(), kPage, PROT_READ | PROT_WRITE, MAP_SHARED);
  check.text("data", std::string(map.data(), 5), "short");
  check.equal("zeros behind it", map.data()[5] | map.data()[kPage - 1], 0);
  map.data()[100] = 'x';
  check.equal("the size stays", status("file").st_size, 5);
  check.ok("grow", err(::ftruncate(file.fd(), 50)));
  check.yes("with zeros", contents("file") == "short" + std::string(45, '\0'));
}

void times(Checks& check) {
  put("file", std::string(kPage, 'a'));
  File file("file", O_RDWR);
  Mapping map(file.fd(), kPage, PROT_READ | PROT_WRITE, MAP_SHARED);
  Moment before("file");
  map.data()[0] = 'b';
  check.ok("msync", err(::msync(map.data(), kPage, MS_SYNC)));
  check.text("times", before.changed(), "mtime ctime");
}

void outlives_its_name(Checks& check) {
  put("file", std::string(kPage, 'a'));
  File file("file", O_RDWR);
  Mapping map(file.fd(), kPage, PROT_READ | PROT_WRITE, MAP_SHARED);
  ::unlink("file");
  file.close();
  map.data()[1] = 'b';
  check.ok("msync", err(::msync(map.data(), kPage, MS_SYNC)));
  check.text("data", std::string(map.data(), 2), "ab");
}

}  // namespace

std::vector<Case> map_cases() {
  return {{"map_shared", Needs::kNothing, shared},
          {"map_private", Needs::kNothing, private_map},
          {"map_end_of_file", Needs::kNothing, end_of_file},
          {"map_times", Needs::kNothing, times},
          {"map_outlives_its_name", Needs::kNothing, outlives_its_name}};
}

}  // namespace cloche::posix
