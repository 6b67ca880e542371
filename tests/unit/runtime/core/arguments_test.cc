// What handlers are given, while they wait.

#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

class Reader {
 public:
  Task<std::string> read(std::string_view text, std::span<const int> numbers,
                         const std::vector<std::string>& words, const std::string& name) {
    const std::string before = describe(text, numbers, words, name);
    co_await sleep_for(50ms);
    co_return before + " | " + describe(text, numbers, words, name);
  }

 private:
  static std::string describe(std::string_view text, std::span<const int> numbers,
                              const std::vector<std::string>& words, const std::string& name) {
    std::string all(text);
    for (const int number : numbers) all += " " + std::to_string(number);
    for (const auto& word : words) all += " " + word;
    return all + " " + name;
  }
};
MUSTER_ACTOR(Reader, read);

class ArgumentTest : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Places, ArgumentTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 1.5
TEST_P(ArgumentTest, ViewsAndReferencesStayValidWhileTheHandlerWaits) {
  const auto made = home->spawn<Reader>({.name = "reader"});
  const auto reader = value_or_throw(caller.find<Reader>("reader", 5s));
  std::string text(100, 'a');
  std::vector<int> numbers(100, 7);
  std::vector<std::string> words{std::string(50, 'b')};
  std::string name(40, 'c');
  const std::string once = text +
                           [] {
                             std::string sevens;
                             for (int i = 0; i < 100; ++i) sevens += " 7";
                             return sevens;
                           }() +
                           " " + words[0] + " " + name;
  auto reading =
      reader.call<&Reader::read>(text, Array<int>(std::vector<int>(numbers)), words, name);
  // The caller's own are written over, in place, before the handler begins and while it waits.
  text.replace(0, text.size(), text.size(), 'z');
  words[0].replace(0, 50, 50, 'z');
  name.replace(0, name.size(), name.size(), 'z');
  world.run_for(20ms);
  EXPECT_FALSE(reading.ready());
  EXPECT_EQ(reading.get(1s), once + " | " + once);
}

}  // namespace
}  // namespace muster::test
