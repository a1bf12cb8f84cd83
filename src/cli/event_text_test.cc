#include "cli/event_text.h"

#include <gtest/gtest.h>

namespace cloche::cli {
namespace {

Event some_event() {
  return {
      .time_ns = 1'000'000'007, .id = "0123456789ab", .name = "box", .kind = "exited", .details = {{"exit_code", "3"}}};
}

EventFilter filter(std::initializer_list<const char*> texts) {
  EventFilter made;
  for (const char* text : texts) EXPECT_TRUE(made.add(text)) << text;
  return made;
}

TEST(EventText, ALineAndJson) {
  EXPECT_EQ(event_line(some_event()), "1970-01-01T00:00:01.000000007Z box (0123456789ab) exited exit_code=3");
  nlohmann::json json = event_json(some_event());
  EXPECT_EQ(json["event"], "exited");
  EXPECT_EQ(json["details"]["exit_code"], "3");
  EXPECT_EQ(json["time"], "1970-01-01T00:00:01.000000007Z");
}

TEST(EventText, FiltersOfOneKeyAreAlternativesOfSeveralAreAll) {
  Event event = some_event();
  EXPECT_TRUE(filter({}).matches(event));
  EXPECT_TRUE(filter({"name=other", "name=box"}).matches(event));
  EXPECT_FALSE(filter({"name=box", "event=ready"}).matches(event));
  EXPECT_TRUE(filter({"name=box", "event=exited", "id=0123", "exit_code=3"}).matches(event));
  EXPECT_FALSE(filter({"id=1"}).matches(event));
  EXPECT_FALSE(filter({"id="}).matches(event));
  EXPECT_FALSE(filter({"status=healthy"}).matches(event));
  EventFilter none;
  for (const char* bad : {"", "name", "=x"}) EXPECT_FALSE(none.add(bad)) << bad;
}

}  // namespace
}  // namespace cloche::cli
