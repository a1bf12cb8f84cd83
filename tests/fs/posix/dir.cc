// readdir(3), seekdir(3), and directories that change while they are read.
#include "checks.h"

#include <dirent.h>

#include <set>

namespace cloche::posix {
namespace {

class Directory {
 public:
  explicit Directory(const char* path) : open_(::opendir(path)) {}
  ~Directory() {
    if (open_ != nullptr) ::closedir(open_);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  DIR* get() const { return open_; }
  // The next name, or nothing at the end.
  std::string next() {
    dirent* entry = ::readdir(open_);
    return entry == nullptr ? "" : entry->d_name;
  }
  std::multiset<std::string> rest() {
    std::multiset<std::string> names;
    for (std::string name = next(); !name.empty(); name = next()) names.insert(name);
    return names;
  }

 private:
  DIR* open_;
};

std::string numbered(int i) { return "entry-" + std::to_string(i); }

void types(Checks& check) {
  for (Type type : check.types()) make(type, name_of(type));
  Directory directory(".");
  int right = 0, numbers = 0;
  while (dirent* entry = ::readdir(directory.get())) {
    struct stat found = status(entry->d_name);
    right += entry->d_type == IFTODT(found.st_mode);
    numbers += entry->d_ino == found.st_ino;
  }
  check.equal("types", right, static_cast<long>(check.types().size()) + 2);
  check.yes("numbers", numbers >= static_cast<int>(check.types().size()) + 1);
}

void many(Checks& check) {
  constexpr int kCount = 3000;
  for (int i = 0; i < kCount; ++i) File(numbered(i), O_CREAT | O_WRONLY);
  Directory directory(".");
  auto names = directory.rest();
  check.equal("entries", static_cast<long>(names.size()), kCount + 2);
  check.equal("each once", static_cast<long>(std::set(names.begin(), names.end()).size()), kCount + 2);
  ::rewinddir(directory.get());
  check.yes("again", directory.rest() == names);
  ::rewinddir(directory.get());
  for (int i = 0; i < 1000; ++i) directory.next();
  long place = ::telldir(directory.get());
  auto rest = directory.rest();
  check.equal("the rest", static_cast<long>(rest.size()), kCount + 2 - 1000);
  ::seekdir(directory.get(), place);
  check.yes("the same rest after a seek", directory.rest() == rest);
}

// What stays through all of it is seen exactly once.
void changing(Checks& check) {
  constexpr int kCount = 1200;
  for (int i = 0; i < kCount; ++i) File(numbered(i), O_CREAT | O_WRONLY);
  Directory directory(".");
  std::multiset<std::string> seen;
  for (int i = 0;; ++i) {
    std::string name = directory.next();
    if (name.empty()) break;
    seen.insert(name);
    if (i < 300) {
      ::unlink(numbered(2 * i + 1).c_str());
      File("new-" + std::to_string(i), O_CREAT | O_WRONLY);
    }
  }
  int once = 0;
  for (int i = 0; i < kCount; i += 2) once += seen.count(numbered(i)) == 1;
  check.equal("those that stay", once, kCount / 2);
  int twice = 0;
  for (const std::string& name : seen) twice += seen.count(name) != 1;
  check.equal("none twice", twice, 0);
}

// As rm -r does it.
void emptied_while_read(Checks& check) {
  ::mkdir("dir", 0755);
  for (int i = 0; i < 700; ++i) File("dir/" + numbered(i), O_CREAT | O_WRONLY);
  Directory directory("dir");
  for (std::string name = directory.next(); !name.empty(); name = directory.next())
    if (name[0] != '.') ::unlink(("dir/" + name).c_str());
  check.ok("rmdir", err(::rmdir("dir")));
}

void fresh(Checks& check) {
  for (int i = 0; i < 50; ++i) {
    File(numbered(i), O_CREAT | O_WRONLY);
    check.equal("a new one is seen", static_cast<long>(Directory(".").rest().size()), i + 3);
  }
  for (int i = 0; i < 50; ++i) {
    ::unlink(numbered(i).c_str());
    check.equal("one gone is not", static_cast<long>(Directory(".").rest().size()), 51 - i);
  }
}

void errors(Checks& check) {
  put("file", "");
  check.yes("of a file", ::opendir("file") == nullptr && errno == ENOTDIR);
  check.yes("of nothing", ::opendir("none") == nullptr && errno == ENOENT);
  ::mkdir("gone", 0755);
  Directory directory("gone");
  ::rmdir("gone");
  check.yes("of one that is gone", directory.rest().empty());
}

}  // namespace

std::vector<Case> dir_cases() {
  return {{"dir_types", Needs::kNothing, types},       {"dir_many", Needs::kNothing, many},
          {"dir_changing", Needs::kNothing, changing}, {"dir_emptied_while_read", Needs::kNothing, emptied_while_read},
          {"dir_fresh", Needs::kNothing, fresh},       {"dir_errors", Needs::kNothing, errors}};
}

}  // namespace cloche::posix
