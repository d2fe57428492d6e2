# Makes the workbooks of this folder, and xlsx.json with what openpyxl reads in them. Made with openpyxl 3.1.5, XlsxWriter 3.3.1.
import datetime
import json
import openpyxl
import xlsxwriter
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont

print("openpyxl", openpyxl.__version__, "XlsxWriter", xlsxwriter.__version__)

rows = [
    ["ID1", "LeftRight", "Age", "number", "abnormality", "classification", "subtype"],
    ["D1-0001", "R", 44, 2, "calcification", "Benign", None],
    ["D1-0002", "L", 40.5, 2, "both", "Malignant", "Luminal A"],
    ["D1-0002", "R", 40.5, 2, "mass & <more>", "Benign", " padded "],
    [None, None, None, None, None, None, None],
    ["D2-0585", "L", 0.1 + 0.2, 1e21, "Knoten ä 乳腺", True, "=1"],
]

# As openpyxl writes: texts in their cells, one of several runs, and rows that are not there. The second sheet is not read.
book = openpyxl.Workbook()
sheet = book.active
for row in rows:
    sheet.append(row)
sheet["G6"] = CellRichText("HER2", TextBlock(InlineFont(b=True), "-enriched"))
sheet["A9"] = "after a gap"
sheet["D9"] = -3
book.create_sheet("Other")["A1"] = "not this one"
book.save("openpyxl.xlsx")

# As XlsxWriter writes: shared texts of several runs, formulas with their values, a date, an error, merged cells.
book = xlsxwriter.Workbook("xlsxwriter.xlsx")
sheet = book.add_worksheet("Clinical data")
sheet.write_row(0, 0, ["a", "b", "c", "d"])
bold = book.add_format({"bold": True})
sheet.write_rich_string(1, 0, "one ", bold, "two", " three")
sheet.write_formula(1, 1, "=1+1", None, 2)
sheet.write_formula(1, 2, '="x"&"y"', None, "xy")
sheet.write_datetime(1, 3, datetime.datetime(2020, 1, 2, 12), book.add_format({"num_format": "yyyy-mm-dd"}))
sheet.merge_range(2, 0, 2, 1, "wide")
sheet.write_boolean(2, 2, False)
sheet.write_formula(2, 3, "=1/0", None, "#DIV/0!")
book.close()

# With texts in their cells, as programs that write without going back do.
book = xlsxwriter.Workbook("inline.xlsx", {"constant_memory": True})
sheet = book.add_worksheet()
for i, row in enumerate(rows[:4]):
    for j, v in enumerate(row):
        if v is not None:
            sheet.write(i, j, v)
book.close()


def text(v):
    if v is None:
        return ""
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, datetime.datetime):
        n = openpyxl.utils.datetime.to_excel(v)
        return repr(n)
    if isinstance(v, float):
        return repr(int(v)) if v == int(v) and abs(v) < 2**53 else repr(v)
    return str(v).strip()


out = {}
for name in ["openpyxl.xlsx", "xlsxwriter.xlsx", "inline.xlsx"]:
    sheet = openpyxl.load_workbook(name, data_only=True).worksheets[0]
    out[name] = [[text(v) for v in row] for row in sheet.iter_rows(values_only=True) if any(v is not None for v in row)]
json.dump(out, open("xlsx.json", "w"), ensure_ascii=False, indent=1)
