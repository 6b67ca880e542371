// Messages that an actor sends to itself later, once and in series.

#include <muster/random.h>
#include <muster/testing/gtest.h>

#include <atomic>
#include <cstdlib>
#include <semaphore>

#include "unit/runtime/core/fixture.h"

namespace muster::test {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What an actor did and when, and a Timer that has left it.
struct Log {
  TimePoint start{};
  std::vector<std::string> lines;
  Timer kept;
  void add(const std::string& what) {
    lines.push_back(what + " " + std::to_string((this_actor::now() - start) / 1ms));
  }
  void add_line(const std::string& line) { lines.push_back(line); }
  std::vector<std::string> take() { return std::exchange(lines, {}); }
};

class Clockwork {
 public:
  explicit Clockwork(Log* log) : log_(*log) {}
  void every(milliseconds period, const std::string& what) {
    log_.start = this_actor::now();
    timer_ = this_actor::send_every<&Clockwork::tick>(period, what);
  }
  void every_slow(milliseconds period, milliseconds work) {
    log_.start = this_actor::now();
    timer_ = this_actor::send_every<&Clockwork::slow_tick>(period, work);
  }
  void every_failing(milliseconds period) {
    log_.start = this_actor::now();
    timer_ = this_actor::send_every<&Clockwork::failing_tick>(period);
  }
  void every_for(milliseconds period, int times) {
    log_.start = this_actor::now();
    left_ = times;
    timer_ = this_actor::send_every<&Clockwork::counted_tick>(period);
  }
  void after(milliseconds delay, const std::string& what) {
    log_.start = this_actor::now();
    send_ = this_actor::send_after<&Clockwork::tick>(delay, what);
  }
  void after_both(milliseconds late, milliseconds soon) {
    after(late, "late");
    after(soon, "soon");
  }
  void forget_send() { send_ = ScheduledSend(); }
  bool cancel_send() { return send_.cancel(); }
  void drop() { timer_ = Timer(); }
  bool active() { return timer_.active(); }
  /// Keeps the mailbox waiting, not the clock.
  Task<> nap(milliseconds time) { co_await sleep_for(time); }
  Task<> nap_and_drop(milliseconds time) {
    co_await sleep_for(time);
    drop();
  }
  void give_away() { log_.kept = std::move(timer_); }
  void check() { MUSTER_CHECK(log_.lines.empty(), "not empty"); }

  void tick(const std::string& what) { log_.add(what); }
  Task<> slow_tick(milliseconds time) {
    log_.add("begin");
    co_await sleep_for(time);
    log_.add("end");
  }
  void failing_tick() {
    log_.add("fail");
    throw std::runtime_error("bad tick");
  }
  void counted_tick() {
    log_.add("tick");
    if (--left_ == 0) timer_.cancel();
  }

 private:
  Log& log_;
  Timer timer_;
  ScheduledSend send_;
  int left_ = 0;
};
MUSTER_ACTOR(Clockwork, every, every_slow, every_failing, every_for, after, after_both, forget_send,
             cancel_send, drop, active, nap, nap_and_drop, give_away, check, tick, slow_tick,
             failing_tick, counted_tick);

class TimersTest : public WorldTest {
 protected:
  ~TimersTest() override { world.shutdown(); }  // before the log that its actors write to
  Handle<Clockwork> spawn_clockwork(SpawnOptions options = {}) {
    options.name = "clockwork";
    const auto made = home->spawn<Clockwork>(options, &log);
    if (home == &caller) return made;
    return value_or_throw(caller.find<Clockwork>("clockwork", 5s));
  }
  template <auto M, class... Args>
  void begin(const Handle<Clockwork>& actor, Args... args) {
    actor.call<M>(args...).get(1s);
  }
  Log log;
};
INSTANTIATE_TEST_SUITE_P(Places, TimersTest, ::testing::Values(Place::kLocal, Place::kRemote),
                         place_name);

// contract 8.8
TEST_P(TimersTest, SendAfterSendsOnceAfterItsDelay) {
  const auto clockwork = spawn_clockwork();
  begin<&Clockwork::after_both>(clockwork, 30ms, 10ms);
  clockwork.call<&Clockwork::forget_send>().get(1s);  // cancels nothing
  world.run_for(1s);
  EXPECT_THAT(log.take(), ElementsAre("soon 10", "late 30"));
}

// contract 8.8
TEST_P(TimersTest, CancelledSendIsNeverSent) {
  const auto clockwork = spawn_clockwork();
  begin<&Clockwork::after>(clockwork, 10ms, std::string("once"));
  EXPECT_TRUE(clockwork.call<&Clockwork::cancel_send>().get(5ms));
  EXPECT_FALSE(clockwork.call<&Clockwork::cancel_send>().get(5ms));
  world.run_for(1s);
  EXPECT_THAT(log.take(), IsEmpty());
  begin<&Clockwork::after>(clockwork, 10ms, std::string("sent"));
  world.run_for(15ms);
  EXPECT_FALSE(clockwork.call<&Clockwork::cancel_send>().get(5ms));
  EXPECT_THAT(log.take(), ElementsAre("sent 10"));
}

// contract 8.8
TEST_P(TimersTest, SeriesTicksAtEveryMultipleOfItsPeriodUntilItIsDropped) {
  const auto clockwork = spawn_clockwork();
  begin<&Clockwork::every>(clockwork, 10ms, std::string("tick"));
  EXPECT_TRUE(clockwork.call<&Clockwork::active>().get(5ms));
  world.run_for(35ms - (world.now() - log.start));
  EXPECT_THAT(log.take(), ElementsAre("tick 10", "tick 20", "tick 30"));
  clockwork.call<&Clockwork::drop>().get(1s);
  EXPECT_FALSE(clockwork.call<&Clockwork::active>().get(1s));
  world.run_for(1s);
  EXPECT_THAT(log.take(), IsEmpty());
}

// contract 8.8
TEST_P(TimersTest, SeriesEndsFromWithinItsOwnTick) {
  const auto clockwork = spawn_clockwork();
  begin<&Clockwork::every_for>(clockwork, 10ms, 2);
  world.run_for(1s);
  EXPECT_THAT(log.take(), ElementsAre("tick 10", "tick 20"));
}

// contract 8.8
TEST_P(TimersTest, NewSeriesInTheSamePlaceEndsTheOneBefore) {
  const auto clockwork = spawn_clockwork();
  clockwork.call<&Clockwork::every>(7ms, "old").get(1s);
  begin<&Clockwork::every>(clockwork, 10ms, std::string("new"));
  log.take();
  world.run_for(25ms);
  EXPECT_THAT(log.take(), ElementsAre("new 10", "new 20"));
}

// contract 8.8
TEST_P(TimersTest, SlowTickLeavesOutThoseThatComeDueMeanwhileAndKeepsThePace) {
  const auto clockwork = spawn_clockwork();
  begin<&Clockwork::every_slow>(clockwork, 10ms, 25ms);
  world.run_for(105ms);
  EXPECT_THAT(log.take(), ElementsAre("begin 10", "end 35", "begin 40", "end 65", "begin 70",
                                      "end 95", "begin 100"));
}

// contract 8.8
TEST_P(TimersTest, BusyActorGathersOneTickAndNoMore) {
  const auto clockwork = spawn_clockwork({.mailbox_capacity = 4});
  begin<&Clockwork::every>(clockwork, 10ms, std::string("tick"));
  clockwork.send<&Clockwork::nap>(55ms);
  world.run_for(75ms);
  EXPECT_THAT(log.take(), ElementsAre("tick 55", "tick 60", "tick 70"));
  EXPECT_EQ(home->stats().dead_letters, 0U);
}

// contract 8.8
TEST_P(TimersTest, TickThatWaitsWhenItsSeriesEndsIsNotHandled) {
  const auto clockwork = spawn_clockwork();
  begin<&Clockwork::every>(clockwork, 10ms, std::string("tick"));
  clockwork.call<&Clockwork::nap_and_drop>(15ms).get(1s);
  world.run_for(1s);
  EXPECT_THAT(log.take(), IsEmpty());
}

// contract 8.8
TEST_P(TimersTest, FailingTickIsReportedAndTheSeriesGoesOn) {
  const auto clockwork = spawn_clockwork();
  begin<&Clockwork::every_failing>(clockwork, 10ms);
  world.run_for(25ms);
  EXPECT_THAT(log.take(), ElementsAre("fail 10", "fail 20"));
  EXPECT_TRUE(clockwork.call<&Clockwork::active>().get(1s));
}

// contract 3.1, 8.8
TEST_P(TimersTest, TickThatFindsNoRoomIsADeadLetterAndTheSeriesGoesOn) {
  const auto clockwork = spawn_clockwork({.mailbox_capacity = 1});
  begin<&Clockwork::every>(clockwork, 10ms, std::string("tick"));
  clockwork.send<&Clockwork::nap>(35ms);
  world.run_for(1ms);
  clockwork.send<&Clockwork::nap>(0ms);  // the one that waits
  world.run_for(46ms);
  EXPECT_THAT(log.take(), ElementsAre("tick 40"));
  EXPECT_EQ(home->stats().dead_letters, 3U);
  EXPECT_THAT(home->dead_letters().latest.back().cause, HasSubstr("its mailbox is full"));
}

// contract 4.2, 8.8
TEST_P(TimersTest, TimersKeepNoActorAliveAndEndWithItLeavingNothing) {
  const std::size_t before = world.timers().pending();
  auto clockwork = spawn_clockwork();
  begin<&Clockwork::every>(clockwork, 10ms, std::string("tick"));
  begin<&Clockwork::after>(clockwork, 1h, std::string("never"));
  clockwork = {};
  world.run_for(5ms);
  EXPECT_EQ(home->stats().actors, 0U);
  EXPECT_EQ(home->stats().dead_letters, 1U);
  EXPECT_EQ(home->dead_letters().latest.back().method, "tick");
  world.run_for(70s);  // with the deadlines of the calls
  if (!remote()) {
    EXPECT_EQ(world.timers().pending(), before);
  }
  world.run_for(2h);
  EXPECT_THAT(log.take(), IsEmpty());
  EXPECT_EQ(home->stats().dead_letters, 1U);
}

// contract 8.8, 10.3
TEST_P(TimersTest, TimersEndWithTheIncarnationThatStartedThem) {
  const auto clockwork = spawn_clockwork({.max_restarts = 3});
  begin<&Clockwork::every>(clockwork, 10ms, std::string("tick"));
  begin<&Clockwork::after>(clockwork, 1h, std::string("never"));
  world.run_for(15ms);
  EXPECT_EQ(log.take().size(), 1U);
  clockwork.call<&Clockwork::give_away>().get(1s);
  EXPECT_TRUE(log.kept.active());
  log.add_line("not empty");
  EXPECT_EQ(code_of(clockwork.call<&Clockwork::check>()), ErrorCode::kUnavailable);
  log.take();
  EXPECT_FALSE(log.kept.active());
  EXPECT_EQ(home->stats().dead_letters, 1U);
  begin<&Clockwork::every>(clockwork, 10ms, std::string("new"));
  world.run_for(25ms);
  EXPECT_THAT(log.take(), ElementsAre("new 10", "new 20"));
  clockwork.call<&Clockwork::drop>().get(1s);
  world.run_for(2h);
  EXPECT_EQ(home->stats().dead_letters, 1U);
}

// contract 8.8
TEST_P(TimersTest, SeriesOutsideItsActorEndsWithTheActor) {
  auto clockwork = spawn_clockwork();
  begin<&Clockwork::every>(clockwork, 10ms, std::string("tick"));
  clockwork.call<&Clockwork::give_away>().get(1s);
  EXPECT_TRUE(log.kept.active());
  clockwork.kill();
  world.run_for(1s);
  EXPECT_FALSE(log.kept.active());
  EXPECT_THAT(log.take(), IsEmpty());
  log.kept.cancel();
  EXPECT_EQ(home->stats().dead_letters, 0U);
}

// contract 8.8
TEST_P(TimersTest, SeriesEndsWhereItsTimerIsDestroyed) {
  const auto clockwork = spawn_clockwork();
  begin<&Clockwork::every>(clockwork, 10ms, std::string("tick"));
  clockwork.call<&Clockwork::give_away>().get(1s);
  world.run_for(15ms);
  EXPECT_THAT(log.take(), ElementsAre("tick 10"));
  { const Timer gone = std::move(log.kept); }
  world.run_for(1s);
  EXPECT_THAT(log.take(), IsEmpty());
}

// contract 8.8
TEST_P(TimersTest, CrashEndsTheTimersToo) {
  auto clockwork = spawn_clockwork();
  begin<&Clockwork::after>(clockwork, 5ms, std::string("before"));
  begin<&Clockwork::every>(clockwork, 10ms, std::string("tick"));
  world.run_for(15ms);
  EXPECT_EQ(code_of(clockwork.call<&Clockwork::check>()), ErrorCode::kUnavailable);
  log.take();
  world.run_for(1s);
  EXPECT_THAT(log.take(), IsEmpty());
}

/// Starts and ends series at random, and checks every tick.
class Band {
 public:
  ~Band() { EXPECT_EQ(playing_ ? 1 : 0, 0) << "ended in the middle of a tick"; }
  void start(std::size_t place, milliseconds period, milliseconds work) {
    const int number = ++last_;
    series_[place] = {number, this_actor::now(), period, this_actor::now(), 0};
    timers_[place] = this_actor::send_every<&Band::tick>(period, place, number, work);
  }
  void end(std::size_t place) {
    timers_[place] = Timer();
    series_[place].number = 0;
  }
  Task<> nap(milliseconds time) { co_await sleep_for(time); }
  Task<> tick(std::size_t place, int number, milliseconds work) {
    Series& series = series_[place];
    EXPECT_EQ(series.number, number) << "a tick of a series that had ended";
    // Not before the next multiple of the period after the tick before it.
    const auto periods = (series.last_end - series.start + series.period - 1ns) / series.period;
    EXPECT_GE(this_actor::now() - series.start, series.period * std::max<long>(periods, 1));
    EXPECT_LE(++series.ticks, (this_actor::now() - series.start) / series.period);
    playing_ = true;
    co_await sleep_for(work);
    playing_ = false;
    series.last_end = this_actor::now();
    if (work == 3ms) end(place);
  }
  int ticks() {
    int sum = 0;
    for (const Series& series : series_) sum += series.ticks;
    return sum;
  }

 private:
  struct Series {
    int number = 0;
    TimePoint start{};
    Duration period{};
    TimePoint last_end{};
    int ticks = 0;
  };
  std::array<Series, 3> series_;
  std::array<Timer, 3> timers_;
  int last_ = 0;
  bool playing_ = false;
};
MUSTER_ACTOR(Band, start, end, nap, tick, ticks);

// contract 8.8
TEST(TimersSimTest, RandomSeriesKeepTheirPromises) {
  int ticks = 0;
  muster::testing::for_each_seed(200, [&](std::uint64_t seed) {
    Random random(seed);
    muster::testing::SimWorld world(seed);
    auto& node = world.start("node");
    auto band = node.spawn<Band>();
    world.run_for(1ms);
    const std::size_t before = world.timers().pending();
    const auto some_ms = [&](std::uint64_t most) { return milliseconds(random.below(most)); };
    for (int i = 0; i < 40; ++i) {
      const std::size_t place = random.below(3);
      switch (random.below(4)) {
        case 0:
          band.send<&Band::start>(place, 1ms + some_ms(12), some_ms(5));
          break;
        case 1:
          band.send<&Band::end>(place);
          break;
        case 2:
          band.send<&Band::nap>(some_ms(30));
          break;
        default:
          break;
      }
      world.run_for(some_ms(20));
    }
    for (std::size_t place = 0; place < 3; ++place) band.send<&Band::end>(place);
    ticks += band.call<&Band::ticks>().get(10s);
    if (random.below(2) == 0) band.send<&Band::start>(0U, 5ms, 0ms);
    band = {};
    world.run_for(70s);  // with the deadline of the call
    EXPECT_EQ(node.stats().actors, 0U);
    EXPECT_EQ(world.timers().pending(), before);
    EXPECT_EQ(node.stats().dead_letters, 0U);
  });
  EXPECT_TRUE(ticks > 0 || std::getenv("MUSTER_TEST_SEED") != nullptr) << "by all seeds together";
}

class LateTimers {
 public:
  explicit LateTimers(bool* ticked) : ticked_(*ticked) {}
  ~LateTimers() {
    this_actor::send_after<&LateTimers::tick>(1ms);
    kept_ = this_actor::send_every<&LateTimers::tick>(1ms);
    MUSTER_CHECK(!kept_.active(), "a timer begins in an actor that has ended");
  }
  void tick() { ticked_ = true; }

 private:
  bool& ticked_;
  Timer kept_;
};
MUSTER_ACTOR(LateTimers, tick);

// contract 8.8
TEST(LateTimersTest, TimersStartedByTheDestructorDoNothing) {
  bool ticked = false;
  muster::testing::SimWorld world(test_seed());
  auto& node = world.start("node");
  { const auto actor = node.spawn<LateTimers>({}, &ticked); }
  world.run_for(1s);
  EXPECT_EQ(node.stats().actors, 0U);
  EXPECT_EQ(node.stats().dead_letters, 1U);
  EXPECT_FALSE(ticked);
}

class Metronome {
 public:
  Metronome(std::atomic<int>* ticks, std::counting_semaphore<>* done)
      : ticks_(*ticks), done_(*done) {
    for (Timer& timer : timers_) timer = this_actor::send_every<&Metronome::tick>(1ms);
  }
  void tick() {
    ++ticks_;
    // Series begin and end all the time.
    timers_[static_cast<std::size_t>(ticks_ % 4)] = this_actor::send_every<&Metronome::tick>(1ms);
    this_actor::send_after<&Metronome::extra>(0ms).cancel();
    if (ticks_ == 50) done_.release();
  }
  void extra() {}

 private:
  std::atomic<int>& ticks_;
  std::counting_semaphore<>& done_;
  std::array<Timer, 4> timers_;
};
MUSTER_ACTOR(Metronome, tick, extra);

// contract 8.8, on real threads and the machine's clock
TEST(TimersThreadsTest, SeriesTickWhileOthersBeginAndEnd) {
  std::atomic<int> ticks{0};
  std::counting_semaphore<> done(0);
  Runtime runtime({.threads = 2});
  auto metronome = runtime.spawn<Metronome>({}, &ticks, &done);
  EXPECT_TRUE(done.try_acquire_for(std::chrono::seconds(60)));
  metronome = {};
  runtime.shutdown();
  const int last = ticks;
  EXPECT_GE(last, 50);
}

}  // namespace
}  // namespace muster::test
