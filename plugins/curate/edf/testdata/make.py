"""Makes the golden vectors of package edf with pyedflib 0.1.42 and numpy 2.4.6:

    python3 make.py

plus.edf is written by pyedflib; broken.edf and unknown.edf are plus.edf with other header fields and times, since
pyedflib does not write them. golden.json has what pyedflib reads of plus.edf, whose samples the other two share.
"""
import datetime
import json
import numpy
import pyedflib

SIGNALS = [  # label, units, rate in Hz, physical minimum and maximum, digital minimum and maximum
    ("EEG FP1-REF", "uV", 40, -3276.8, 3276.7, -32768, 32767),
    ("EEG F7-REF", "mV", 10, 1.5, -1.25, -2048, 2047),
    ("Temp rectal", "degC", 1, 34.4, 40.2, 0, 4095),
]
SECONDS = 4


def write():
    w = pyedflib.EdfWriter("plus.edf", len(SIGNALS), file_type=pyedflib.FILETYPE_EDFPLUS)
    for i, (label, units, rate, low, high, dmin, dmax) in enumerate(SIGNALS):
        w.setSignalHeader(i, {
            "label": label, "dimension": units, "sample_frequency": rate, "physical_min": low, "physical_max": high,
            "digital_min": dmin, "digital_max": dmax, "transducer": "AgAgCl", "prefilter": "HP:0.1Hz"})
    w.setStartdatetime(datetime.datetime(2020, 2, 1, 3, 4, 5))
    w.setPatientCode("MCH-0234567")
    random = numpy.random.default_rng(1)
    columns = [random.integers(s[5], s[6] + 1, s[2] * SECONDS).astype(numpy.int32) for s in SIGNALS]
    for k in range(SECONDS):
        block = [c[k * s[2]:(k + 1) * s[2]] for s, c in zip(SIGNALS, columns)]
        w.blockWriteDigitalShortSamples(numpy.concatenate(block).astype(numpy.int16))
    w.writeAnnotation(0.5, -1, "Lights off")
    w.writeAnnotation(2.25, 1.5, "Säge")
    w.close()


def read():
    r = pyedflib.EdfReader("plus.edf")
    onsets, durations, texts = r.readAnnotations()
    out = {
        "pyedflib": pyedflib.__version__, "records": r.datarecords_in_file, "duration": r.datarecord_duration,
        "signals": [{
            "label": r.getLabel(i), "units": r.getPhysicalDimension(i), "rate": r.getSampleFrequency(i),
            "digital": [int(v) for v in r.readSignal(i, digital=True)], "physical": [float(v) for v in r.readSignal(i)],
        } for i in range(r.signals_in_file)],
        "annotations": [{"onset": float(o), "duration": max(float(d), 0), "text": t} for o, d, t in zip(onsets, durations, texts)],
    }
    r.close()
    with open("golden.json", "w") as f:
        json.dump(out, f)
        f.write("\n")


def change():
    plus = open("plus.edf", "rb").read()
    unknown = plus[:236] + b"-1      " + plus[244:]
    open("unknown.edf", "wb").write(unknown)
    gap = plus[:192] + b"EDF+D" + plus[197:]
    for was, now in ((b"+2\x14\x14", b"+7\x14\x14"), (b"+3\x14\x14", b"+8\x14\x14")):
        assert gap.count(was) == 1
        gap = gap.replace(was, now)
    open("broken.edf", "wb").write(gap)


write()
read()
change()
